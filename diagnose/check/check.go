// Package check says why paths fail. Each check explains one way of failing, by the rule of the same number of the collection of
// rules about Istio's egress (R12 is EGR012). A check looks at what package trace saw and at the objects, and at nothing else: no
// client, no clock, no order among checks. To add one, add its value to a file of its hop and its name to the table.
package check

import (
	"slices"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Code names a check for good: it never changes its meaning and is never used again.
type Code string

// State is what became of a check on a path.
type State string

// The states, from the best to the worst but for Unknown, which is neither.
const (
	Pass    State = "pass"
	Skip    State = "skip" // it only limits what one can see
	Warn    State = "warn" // it weakens the path and does not break it
	Fail    State = "fail"
	Unknown State = "unknown" // something that it needs could not be read: never a pass
)

// Check explains one way in which a path fails. Run sees only data.
type Check struct {
	Code     Code
	Title    string // what is wrong, in a few words
	Severity State  // of its findings: Fail, Warn or Skip
	Hop      egress.Hop
	Direct   bool              // it is about paths without a gateway as well
	Logs     bool              // it judges by what proxies have logged: where no log was asked for, it is not asked either
	Stays    bool              // objects that are there are wrong: it fails until somebody changes one, whatever pods and proxies do
	Needs    []snapshot.Source // if one of these was not read, the result is Unknown and Run is not called
	// Run is nil for the checks that are about no single path or about what the others leave, those of security among them.
	Run func(*snapshot.Snapshot, trace.Path) []Finding
	Why string // for explain: what happens and why it matters
	Fix string // for explain: how to mend it
}

// Object is the object that a finding blames.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Field     string `json:"field"` // path in the object, empty for the whole
}

// Finding is what one check says of one path.
type Finding struct {
	Code     Code
	Title    string
	State    State
	Hop      egress.Hop
	Path     string  // HOST:PORT; empty if it is about no path
	Object   *Object // nil: no object is to blame
	Message  string  // one sentence that names the object and the values
	Evidence []string
	Fix      string // a command that mends it when followed; may have several lines
	Stays    bool   // time does not mend it: an object is to be changed, or a right is missing

	explains []*trace.Leg
}

// Run judges the snapshot as a whole, then paths by all checks.
func Run(s *snapshot.Snapshot, paths []trace.Path) []Finding {
	j := Begin(s)
	out := j.Whole()
	for i := range paths {
		out = append(out, j.Path(&paths[i])...)
	}
	return out
}

// Judge judges the paths of one snapshot, one after the other: of a thousand, each through a hundred pods, not all need be known
// at the same time. Its findings do not hold on to the paths.
type Judge struct {
	s     *snapshot.Snapshot
	table []Check
}

// Begin makes a Judge for a snapshot.
func Begin(s *snapshot.Snapshot) Judge { return Judge{s, Table()} }

// Whole judges what is about no path.
func (j Judge) Whole() []Finding {
	s := j.s
	var out []Finding
	for _, about := range []struct {
		check Check
		run   func(*snapshot.Snapshot, Check) []Finding
	}{{setUnreadable, sets}, {pathsHidden, hidden}} {
		found := about.run(s, about.check)
		if len(found) == 0 {
			found = []Finding{about.check.finding(nil, Finding{State: Pass})}
		}
		out = append(out, found...)
	}
	return out
}

// Path judges one path: one finding for each check that has something to say, and a pass or unknown for the others. What stops a
// path and no check explains is a finding of its own, never a pass.
func (j Judge) Path(p *trace.Path) []Finding {
	var out []Finding
	if j.s.OnlyObjects() {
		out = judgeObjects(j.s, p, j.table)
	} else {
		out = judge(j.s, p, j.table)
	}
	for i := range out {
		out[i].explains = nil
	}
	return out
}

func judge(s *snapshot.Snapshot, p *trace.Path, table []Check) []Finding {
	var out []Finding
	explained := map[*trace.Leg]bool{}
	for _, c := range table {
		if c.Run == nil || p.Mode == egress.Direct && !c.Direct || unasked(p, c) {
			continue
		}
		found := c.run(s, p)
		for _, f := range found {
			for _, leg := range f.explains {
				explained[leg] = true
			}
		}
		out = append(out, found...)
	}
	out = append(out, upToDate(s, p, explained))
	return append(out, rest(p, explained)...)
}

func (c Check) run(s *snapshot.Snapshot, p *trace.Path) []Finding {
	for _, need := range c.Needs {
		if st := s.State(need); !st.Known() {
			return []Finding{c.finding(p, notRead(need, st))}
		}
	}
	found := c.Run(s, *p)
	if len(found) == 0 {
		return []Finding{c.finding(p, Finding{State: Pass})}
	}
	for i := range found {
		found[i] = c.finding(p, found[i])
		if !c.Logs && (found[i].State == Fail || found[i].State == Warn) {
			found[i].Evidence = append(found[i].Evidence, heard(p, &found[i])...)
		}
	}
	return found
}

// finding fills in what all findings of a check have in common.
func (c Check) finding(p *trace.Path, f Finding) Finding {
	f.Code, f.Title = c.Code, c.Title
	if f.State == "" {
		f.State = c.Severity
	}
	if f.Hop == "" {
		f.Hop = c.Hop
	}
	if p != nil {
		f.Path = p.String()
	}
	f.Stays = f.Stays || c.Stays && f.State == Fail
	return f
}

// notRead is what a check says that needs what is not there: nothing is known, or, where files were given instead of a cluster and
// it is not among them, nothing is to be judged.
func notRead(source snapshot.Source, st snapshot.State) Finding {
	f := Finding{State: Unknown, Message: unread(source, st), Stays: st.Kind == snapshot.Forbidden}
	if st.Kind == snapshot.NotGiven {
		f.State = Skip
	}
	return f
}

func unread(source snapshot.Source, st snapshot.State) string {
	m := string(source) + " could not be read (" + string(st.Kind) + ")"
	if st.Detail != "" {
		m += ": " + st.Detail
	}
	return m
}

// Find gives the check of a code.
func Find(code Code) (Check, bool) {
	table := Table()
	i := slices.IndexFunc(table, func(c Check) bool { return c.Code == code })
	if i < 0 {
		return Check{}, false
	}
	return table[i], true
}
