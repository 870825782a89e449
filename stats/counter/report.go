package counter

import (
	"encoding/json"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Report is what was counted at one moment.
type Report struct {
	Taken   time.Time
	Rows    []Row
	Proxies []Asked
	Notes   []string // for people: what could not be read
}

// Asked is a proxy that was asked.
type Asked struct {
	Namespace string            `json:"namespace"`
	Pod       string            `json:"pod"`
	Hop       egress.Hop        `json:"hop"`
	Gateway   egress.GatewayRef `json:"gateway,omitzero"`
	Via       string            `json:"via,omitempty"`     // port-forward, pilot-agent or curl
	Failed    string            `json:"failed,omitempty"`  // why it could not be asked
	Missing   []string          `json:"missing,omitempty"` // which sources could not be read, and why
	// Recording says whether the proxy is told to keep all that is counted; nil if that is not known.
	Recording *bool `json:"recording,omitempty"`
}

// Row is one destination at one proxy.
type Row struct {
	Host      string     `json:"host"` // as it was asked for: for a wildcard the name that was looked up, if the proxy knows
	Port      int        `json:"port"`
	Path      string     `json:"path"` // HOST:PORT of the path that it is part of
	Set       string     `json:"set"`  // NAMESPACE/NAME; empty if made by hand
	Hop       egress.Hop `json:"hop"`
	Namespace string     `json:"namespace"`
	Pod       string     `json:"pod"`
	Cluster   string     `json:"cluster"`
	Counts    Counts     `json:"-"`
}

// Named is a count under the name that JSON and Prometheus have for it.
type Named struct {
	Name  string // in JSON
	Unit  string // of Prometheus' name: connections_opened_total
	Gauge bool   // goes up and down
	Help  string
	Count Count
}

// Named lists the counts in the order of columns.
func (c Counts) Named() []Named {
	return []Named{
		{"opened", "connections_opened_total", false, "Connections opened.", c.Opened},
		{"active", "connections_active", true, "Connections open now.", c.Active},
		{"failed", "connections_failed_total", false, "Connections that could not be made.", c.Failed},
		{"requests", "requests_total", false, "Requests, where the proxy can see them.", c.Requests},
		{"tlsFailed", "tls_verification_failures_total", false, "Connections whose peer's certificate was refused.", c.TLSFailed},
		{"dnsFailed", "dns_failures_total", false, "Look-ups of the dynamic forward proxy that found no address.", c.DNSFailed},
		{"bytesSent", "sent_bytes_total", false, "Bytes sent.", c.Sent},
		{"bytesReceived", "received_bytes_total", false, "Bytes received.", c.Received},
	}
}

// MarshalJSON puts the counts beside the other fields: as a number under their name, the source of each under "sources", and why one
// has none under "missing". What does not apply is in neither.
func (r Row) MarshalJSON() ([]byte, error) {
	type plain Row
	counts, sources, missing := map[string]uint64{}, map[string]Source{}, map[string]string{}
	for _, n := range r.Counts.Named() {
		switch {
		case n.Count.Known():
			counts[n.Name], sources[n.Name] = n.Count.Value, n.Count.Source
		case n.Count.Why != "":
			missing[n.Name] = n.Count.Why
		}
	}
	return json.Marshal(struct {
		plain
		Counts  map[string]uint64 `json:"counts"`
		Sources map[string]Source `json:"sources"`
		Missing map[string]string `json:"missing,omitempty"`
	}{plain(r), counts, sources, missing})
}
