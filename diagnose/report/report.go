// Package report puts together what a diagnosis found and prints it: the same findings and the same exit code in every format.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Report is the outcome of a diagnosis. Its JSON form is a contract with scripts. All its strings are safe to print: control
// characters, of which a lying cluster may send any, are shown as escapes.
type Report struct {
	APIVersion   string    `json:"apiVersion"`
	Kind         string    `json:"kind"`
	ToolVersion  string    `json:"toolVersion"`
	IstioVersion string    `json:"istioVersion"`
	Paths        []Path    `json:"paths"`
	Findings     []Finding `json:"findings"`
	Summary      Summary   `json:"summary"`
	ExitCode     int       `json:"exitCode"`
	// Samples say of which pods only a part was looked at; absent where it was all of them.
	Samples []snapshot.Sample `json:"samples,omitempty"`

	// Notes are for people and go to stderr: what was left out of the sample.
	Notes []string `json:"-"`
	// Took is how long it took, for people.
	Took time.Duration `json:"-"`

	strict bool // warnings fail as well
}

// Path is one path with its hops.
type Path struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
	Set      string `json:"set"` // NAMESPACE/NAME; empty if made by hand
	Mode     string `json:"mode"`
	Gateway  string `json:"gateway"` // NAMESPACE/SERVICE
	Hops     []Hop  `json:"hops"`
	// Owner is set where several paths have the same host and port; findings name it after those.
	Owner string `json:"owner,omitempty"`

	sample string // the host name that was followed
	unseen bool   // only its objects are known
	mtls   bool   // Istio's TLS from sidecar to gateway
	leaves string // what the gateway sends: SNI for the application's TLS, TLS for its own, HTTP
}

// Hop is what became of the path at one station.
type Hop struct {
	Name   egress.Hop  `json:"name"`
	State  check.State `json:"state"`
	Detail string      `json:"detail"`
}

// Finding is what one check says of one path. Every member is always there, if only empty.
type Finding struct {
	Code     check.Code   `json:"code"`
	Title    string       `json:"title"`
	State    check.State  `json:"state"`
	Hop      egress.Hop   `json:"hop"`
	Path     string       `json:"path"` // HOST:PORT; empty if it is about no path
	Object   check.Object `json:"object"`
	Message  string       `json:"message"`
	Evidence []string     `json:"evidence"`
	Fix      string       `json:"fix"` // a command that mends it when followed; may have several lines
	Stays    bool         `json:"-"`   // time does not mend it, see check.Finding
}

// Summary counts findings by state.
type Summary struct {
	Pass    int `json:"pass"`
	Fail    int `json:"fail"`
	Warn    int `json:"warn"`
	Skip    int `json:"skip"`
	Unknown int `json:"unknown"`
}

// The exit codes of a diagnosis, those of the whole program.
const (
	Fine     = 0
	Unjudged = 1 // something could not be read, so that nobody can say that all is well
	Failed   = 3
	Warned   = 4 // only if warnings are to fail
)

// Input is what a report is made of.
type Input struct {
	ToolVersion   string
	IstioVersion  string
	Paths         []trace.Path
	Rows          []Path // of paths that are followed one by one: what Row gave for each, in their order, before Paths
	Findings      []check.Finding
	Notes         []string
	Samples       []snapshot.Sample
	Took          time.Duration
	FailOnWarning bool
}

// Build puts a report together.
func Build(in Input) Report {
	r := Report{
		APIVersion: "kubectl-egress/v1", Kind: "Report", ToolVersion: in.ToolVersion, IstioVersion: clean(in.IstioVersion),
		Paths: append(make([]Path, 0, len(in.Rows)+len(in.Paths)), in.Rows...), Findings: make([]Finding, 0, len(in.Findings)), Took: in.Took,
		strict: in.FailOnWarning, Samples: in.Samples,
	}
	for i := range in.Paths {
		r.Paths = append(r.Paths, Row(&in.Paths[i]))
	}
	for _, f := range in.Findings {
		r.Findings = append(r.Findings, finding(f))
		r.Summary.count(f.State)
	}
	r.blame()
	for _, n := range in.Notes {
		r.Notes = append(r.Notes, clean(n))
	}
	if n := r.followed(); n != "" {
		r.Notes = append(r.Notes, n)
	}
	r.ExitCode = r.exitCode(in.FailOnWarning)
	return r
}

// followed says which names stand for wildcards: what is true of them is true of every name that has nothing of its own.
func (r *Report) followed() string {
	var names []string
	for i := range r.Paths {
		if p := &r.Paths[i]; p.sample != p.Host {
			names = append(names, p.Host+" as "+p.sample)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	const most = 3
	switch {
	case len(names) == 0:
		return ""
	case len(names) > most:
		return fmt.Sprintf("wildcards are followed by a name that no object has: %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return "wildcards are followed by a name that no object has: " + strings.Join(names, ", ")
}

func (s *Summary) count(state check.State) {
	switch state {
	case check.Pass:
		s.Pass++
	case check.Fail:
		s.Fail++
	case check.Warn:
		s.Warn++
	case check.Skip:
		s.Skip++
	case check.Unknown:
		s.Unknown++
	}
}

// exitCode is that of the worst finding. Unknown comes after fail and before warn: fail is certain, and not knowing is no success.
func (r *Report) exitCode(failOnWarning bool) int {
	switch {
	case r.Summary.Fail > 0:
		return Failed
	case r.Summary.Unknown > 0:
		return Unjudged
	case r.Summary.Warn > 0 && failOnWarning:
		return Warned
	}
	return Fine
}

// State is the worst of a path's hops.
func (p *Path) State() check.State {
	state := check.Pass
	for _, h := range p.Hops {
		switch {
		case h.State == check.Fail:
			return check.Fail
		case h.State == check.Unknown, h.State == check.Warn && state == check.Pass:
			state = h.State
		}
	}
	return state
}
