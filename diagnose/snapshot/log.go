package snapshot

import "time"

// Log is what a proxy has lately written into its access log, as far as it tells of the way: no path, no query, no header but the
// host's, no identity of anybody.
type Log struct {
	// State is that of the log; its zero value means that nobody asked for it.
	State State `json:"state,omitzero"`
	// Since is the time before which lines were not read; zero: from the log's beginning.
	Since time.Time `json:"since,omitzero"`
	// Lines are the last ones, oldest first, at most MaxLines.
	Lines []LogLine `json:"lines,omitempty"`
	// Cut says that there were more lines after Since.
	Cut bool `json:"cut,omitempty"`
}

// MaxLines is how many lines of a proxy's access log are kept.
const MaxLines = 300

// Asked says whether the log was asked for at all.
func (l *Log) Asked() bool { return l.State.Kind != "" }

// LogLine is a connection or request. Fields are empty where the line says nothing.
type LogLine struct {
	Time     time.Time `json:"time"` // when it began
	Code     int       `json:"code,omitempty"`
	Flags    string    `json:"flags,omitempty"`   // Envoy's response flags: "UF,URX"
	Details  string    `json:"details,omitempty"` // RESPONSE_CODE_DETAILS
	Failure  string    `json:"failure,omitempty"` // UPSTREAM_TRANSPORT_FAILURE_REASON
	TCP      bool      `json:"tcp,omitempty"`     // it is about a connection, not about a request
	SNI      string    `json:"sni,omitempty"`
	Host     string    `json:"host,omitempty"`    // the Host header without its port
	Cluster  string    `json:"cluster,omitempty"` // where it was sent
	Upstream string    `json:"upstream,omitempty"`
	Asked    string    `json:"asked,omitempty"` // the address that the client connected to
}

// Narrow leaves of all logs the lines of the last so long before the snapshot was taken, and says of how many proxies the log does not
// go back that far.
func (s *Snapshot) Narrow(last time.Duration) (short int) {
	if s.Taken.IsZero() {
		return 0 // nobody knows what is old
	}
	from := s.Taken.Add(-last)
	for i := range s.Proxies {
		l := &s.Proxies[i].Log
		if !l.Asked() {
			continue
		}
		if l.Since.After(from) || l.Cut && len(l.Lines) > 0 && l.Lines[0].Time.After(from) {
			short++
		}
		var kept []LogLine
		for _, line := range l.Lines {
			if !line.Time.Before(from) {
				kept = append(kept, line)
			}
		}
		l.Lines = kept
		if l.Since.Before(from) {
			l.Since = from
		}
	}
	return short
}
