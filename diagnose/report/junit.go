package report

import (
	"cmp"
	"fmt"
	"html"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// escaped is text as it may stand in XML and HTML, between tags and between quotes. Control characters are none any more in a
// report; two code points that XML does not have are replaced here.
func escaped(s string) string {
	return html.EscapeString(strings.NewReplacer("\uFFFE", "\uFFFD", "\uFFFF", "\uFFFD").Replace(s))
}

// suite is what JUnit calls the tests of one thing: here a path, or the snapshot as a whole.
type suite struct {
	name     string
	path     *Path // nil: the snapshot as a whole
	findings []*Finding
	sum      Summary
}

// wholeMesh is the name of the suite of what is about no single path.
const wholeMesh = "mesh"

// suites sorts the findings by path, in the order of the paths.
func (r *Report) suites() []*suite {
	var out []*suite
	byName := map[string]*suite{}
	add := func(name string) *suite {
		if byName[name] == nil {
			byName[name] = &suite{name: name}
			out = append(out, byName[name])
		}
		return byName[name]
	}
	for i := range r.Findings {
		if r.Findings[i].Path == "" {
			add(wholeMesh)
		}
	}
	for i := range r.Paths {
		add(r.Paths[i].name()).path = &r.Paths[i]
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		s := add(cmp.Or(f.Path, wholeMesh))
		s.findings = append(s.findings, f)
		s.sum.count(f.State)
	}
	return out
}

// failures are those that a CI server shall show as failed: with --fail-on=warning the warnings too, so that it never shows green
// where the exit code is another.
func (r *Report) failures(s Summary) int {
	if r.strict {
		return s.Fail + s.Warn
	}
	return s.Fail
}

// junit writes the findings as CI servers read them: a suite for each path, a case for each check. What could not be judged is an
// error and not a failure.
func junit(r Report) string {
	var b strings.Builder
	total := r.Summary
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
	fmt.Fprintf(&b, "<testsuites name=\"kubectl-egress\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.3f\">\n",
		total.Pass+total.Fail+total.Warn+total.Skip+total.Unknown, r.failures(total), total.Unknown, total.Skip, r.Took.Seconds())
	for _, s := range r.suites() {
		fmt.Fprintf(&b, " <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\">\n",
			escaped(s.name), len(s.findings), r.failures(s.sum), s.sum.Unknown, s.sum.Skip)
		for _, f := range s.findings {
			r.testCase(&b, s.name, f)
		}
		b.WriteString(" </testsuite>\n")
	}
	b.WriteString("</testsuites>\n")
	return b.String()
}

func (r *Report) testCase(b *strings.Builder, suite string, f *Finding) {
	fmt.Fprintf(b, "  <testcase classname=\"%s\" name=\"%s\"", escaped(suite), escaped(string(f.Code)+" "+f.Title))
	element := ""
	switch {
	case f.State == check.Fail, f.State == check.Warn && r.strict:
		element = "failure"
	case f.State == check.Unknown:
		element = "error"
	case f.State == check.Skip:
		element = "skipped"
	}
	switch {
	case f.State == check.Pass:
		b.WriteString("/>\n")
		return
	case element == "": // JUnit has no warnings: it passes, and says so
		fmt.Fprintf(b, ">\n   <system-out>%s</system-out>\n", escaped("warning: "+f.long()))
	case element == "skipped":
		fmt.Fprintf(b, ">\n   <skipped message=\"%s\"/>\n", escaped(f.says()))
	default:
		fmt.Fprintf(b, ">\n   <%s type=\"%s\" message=\"%s\">%s</%[1]s>\n", element, escaped(string(f.Code)), escaped(f.says()), escaped(f.long()))
	}
	b.WriteString("  </testcase>\n")
}

// says is the one sentence of a finding.
func (f *Finding) says() string { return cmp.Or(f.Message, f.Title) }

// long is all that a finding tells, a line for each thing.
func (f *Finding) long() string {
	lines := []string{f.says()}
	if o := f.object(); o != "" {
		lines = append(lines, "object: "+o)
	}
	for _, e := range f.Evidence {
		if e != f.Message {
			lines = append(lines, e)
		}
	}
	if f.Fix != "" {
		lines = append(lines, "mend: "+f.Fix)
	}
	return strings.Join(lines, "\n")
}

// object names what a finding blames: KIND NAMESPACE/NAME FIELD; empty if nothing.
func (f *Finding) object() string {
	if f.Object.Kind == "" {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", f.Object.Kind, f.Object.Namespace, f.Object.Name, f.Object.Field))
}
