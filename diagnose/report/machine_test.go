package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

const home = "https://example.com/egress"

// mixed has a finding of every state, one of them about no path.
func mixed(strict bool) Report {
	const path = "edition.cnn.com:443"
	in := Input{ToolVersion: "v1", IstioVersion: "1.31.0", FailOnWarning: strict, Notes: []string{"1 of 2 pods"}, Findings: []check.Finding{
		{Code: "EGR057", Title: "declaration of a set cannot be read", State: check.Pass},
		{Code: "EGR001", Title: "VirtualService not bound to mesh", State: check.Fail, Hop: egress.AtSidecar, Path: path, Message: "it is not bound", Evidence: []string{"seen"}, Fix: "kubectl patch\nkubectl get", Object: &check.Object{Kind: "VirtualService", Namespace: "default", Name: "cnn", Field: "spec.gateways"}},
		{Code: "EGR034", Title: "server's certificate not fully verified", State: check.Warn, Path: path, Message: "no SAN"},
		{Code: "EGR030", Title: "gateway does not begin TLS", State: check.Unknown, Path: path, Message: "gateways could not be read"},
		{Code: "EGR052", Title: "counter not recorded", State: check.Skip, Path: path},
	}}
	r := Build(in)
	r.Paths = []Path{{Host: "edition.cnn.com", Port: 443, Mode: "passthrough", Gateway: "istio-system/gw", Hops: []Hop{{Name: egress.AtSidecar, State: check.Fail, Detail: "no"}}}}
	return r
}

// xmlReport is what CI servers read of JUnit's format.
type xmlReport struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Suites   []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Class   string `xml:"classname,attr"`
			Out     string `xml:"system-out"`
			Failure *struct {
				Type    string `xml:"type,attr"`
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	for strict, failures := range map[bool]int{false: 1, true: 2} {
		var got xmlReport
		if err := xml.Unmarshal([]byte(written(t, mixed(strict), JUnit, Options{})), &got); err != nil {
			t.Fatal(err)
		}
		if got.Tests != 5 || got.Failures != failures || got.Errors != 1 || got.Skipped != 1 || len(got.Suites) != 2 || got.Suites[1].Failures != failures {
			t.Fatalf("strict %t: %+v", strict, got)
		}
		if got.Suites[0].Name != "mesh" || got.Suites[1].Name != "edition.cnn.com:443" || got.Suites[1].Tests != 4 {
			t.Errorf("%+v", got.Suites)
		}
		cases := got.Suites[1].Cases
		f := cases[0].Failure
		want := "it is not bound\nobject: VirtualService default/cnn spec.gateways\nseen\nmend: kubectl patch\nkubectl get"
		if f == nil || f.Type != "EGR001" || f.Message != "it is not bound" || f.Text != want || cases[0].Class != "edition.cnn.com:443" {
			t.Errorf("%+v", f)
		}
		if (cases[1].Failure != nil) != strict || !strict && cases[1].Out != "warning: no SAN" {
			t.Errorf("strict %t: a warning is %+v", strict, cases[1])
		}
		if cases[2].Error == nil || cases[3].Skipped == nil {
			t.Errorf("%+v", cases)
		}
	}
}

func TestSARIF(t *testing.T) {
	t.Parallel()
	var got sarifLog
	if err := json.Unmarshal([]byte(written(t, mixed(false), SARIF, Options{Home: home})), &got); err != nil {
		t.Fatal(err)
	}
	run := got.Runs[0]
	if got.Version != "2.1.0" || !strings.Contains(got.Schema, "sarif-2.1.0") || run.Invocations[0].ExitCode != Failed || run.Invocations[0].Notifications[0].Message.Text != "1 of 2 pods" {
		t.Errorf("%+v", got)
	}
	var results []string
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s points to rule %s", r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		}
		if (r.Kind == "fail") != (r.Level != "none") {
			t.Errorf("%s: kind %s with level %s", r.RuleID, r.Kind, r.Level)
		}
		results = append(results, strings.Join([]string{r.RuleID, r.Kind, r.Level, r.Locations[0].Logical[0].QualifiedName}, " "))
	}
	want := []string{
		"EGR001 fail error default/VirtualService/cnn", "EGR034 fail warning edition.cnn.com:443",
		"EGR030 open none edition.cnn.com:443", "EGR052 informational none edition.cnn.com:443",
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	first := run.Tool.Driver.Rules[0]
	if first.HelpURI != home+"/blob/main/docs/checks.md#egr001" || first.Name != "VirtualServiceNotBoundToMesh" || first.Full.Text == "" || first.Configuration.Level != "error" {
		t.Errorf("%+v", first)
	}
	if text := written(t, mixed(false), SARIF, Options{}); strings.Contains(text, "helpUri") {
		t.Error("a link to nowhere")
	}
	if text := written(t, Build(Input{}), SARIF, Options{}); !strings.Contains(text, `"results": []`) || !strings.Contains(text, `"rules": []`) {
		t.Errorf("no findings: %s", text)
	}
}

// TestHelpIsThere: every check has its anchor in the page that SARIF and HTML link to.
func TestHelpIsThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range check.Table() {
		_, anchor, _ := strings.Cut(Options{Home: home}.page(c.Code), "#")
		if !strings.Contains(strings.ToLower(string(page)), "\n## "+anchor+"\n") {
			t.Errorf("docs/checks.md has no %s", anchor)
		}
	}
}

// hostile puts text that means something to XML, HTML and terminals in every place that a cluster fills.
func hostile() Report {
	const evil = "</pre></title><script>alert(1)</script>\" onload='x' ]]> &amp; \x1b[31m\u202e\ufffe\xff"
	r := Build(Input{IstioVersion: evil, Notes: []string{evil}, Findings: []check.Finding{{
		Code: "EGR001", Title: "t", State: check.Fail, Path: evil, Message: evil, Evidence: []string{evil}, Fix: evil + "\n" + evil,
		Object: &check.Object{Kind: evil, Namespace: evil, Name: evil, Field: evil},
	}}})
	r.Paths = []Path{{Host: clean(evil), Port: 1, Set: clean(evil), Gateway: clean(evil), Hops: []Hop{{Name: egress.AtSidecar, State: check.Fail, Detail: clean(evil)}}}}
	return r
}

var tag = regexp.MustCompile(`<[^>]*>`)

func TestNothingIsUnescaped(t *testing.T) {
	t.Parallel()
	page := written(t, hostile(), HTML, Options{Home: home})
	for _, mark := range tag.FindAllString(page, -1) {
		for _, bad := range []string{"script", "onload", "alert", "<pre></"} {
			if strings.Contains(mark, bad) && !strings.Contains(mark, "&lt;") && !strings.Contains(mark, "&#34;") {
				t.Errorf("tag %s", mark)
			}
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "</title><s") || strings.ContainsAny(page, "\x1b\u202e\ufffe") {
		t.Errorf("unescaped:\n%s", page)
	}
	if n := strings.Count(page, "&lt;script&gt;"); n < 12 {
		t.Errorf("the text is there only %d times", n)
	}
	for format, options := range map[Format]Options{JUnit: {}, HTML: {}} {
		text := written(t, hostile(), format, options)
		if format == HTML { // void elements are no XML
			text = regexp.MustCompile(`<(!DOCTYPE html|meta [^>]*|br)>`).ReplaceAllString(text, "")
		}
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s is not well formed: %v\n%s", format, err, text)
				break
			}
		}
	}
}

// TestPageIsSelfContained: it loads nothing and runs nothing; every link in it leads to a place in it or to the project.
func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	text := written(t, of(captured.Load(t, "set-broken-by-hand")), HTML, Options{Home: home})
	for _, m := range regexp.MustCompile(`(src|href|action|url)\s*[=(]\s*"?([^")> ]*)`).FindAllStringSubmatch(text, -1) {
		switch target := m[2]; {
		case strings.HasPrefix(target, home):
		case strings.HasPrefix(target, "#") && strings.Contains(text, `id="`+target[1:]+`"`):
		default:
			t.Errorf("it leads to %q", m[0])
		}
	}
	if strings.Contains(text, "<script") || !strings.Contains(text, `content="default-src 'none'; style-src 'unsafe-inline'"`) {
		t.Error("it may run something")
	}
}

// TestSameFindingsEverywhere: every code that is no pass is in every format that shows findings.
func TestSameFindingsEverywhere(t *testing.T) {
	t.Parallel()
	for _, name := range captured.Names(t) {
		r := of(captured.Load(t, name))
		var codes []string
		for _, f := range r.Findings {
			if f.State != check.Pass {
				codes = append(codes, string(f.Code))
			}
		}
		slices.Sort(codes)
		codes = slices.Compact(codes)
		for _, format := range []Format{JSON, YAML, JUnit, SARIF, HTML} {
			text := written(t, r, format, Options{})
			for _, code := range codes {
				if !strings.Contains(text, code) {
					t.Errorf("%s: %s does not tell %s", name, format, code)
				}
			}
		}
		if n := strings.Count(written(t, r, HTML, Options{}), "<article"); n != r.Summary.Fail+r.Summary.Warn+r.Summary.Skip+r.Summary.Unknown {
			t.Errorf("%s: the page tells of %d findings, the report has %+v", name, n, r.Summary)
		}
	}
}

// FuzzEscaped: whatever a cluster calls its things, what is written is well formed and says the same.
func FuzzEscaped(f *testing.F) {
	f.Add("a<b>&\"'", "\x00\u2028")
	f.Fuzz(func(t *testing.T, message, name string) {
		r := Build(Input{Findings: []check.Finding{{Code: "EGR001", State: check.Fail, Path: name, Message: message, Object: &check.Object{Kind: "K", Name: name}}}})
		var got xmlReport
		if err := xml.Unmarshal([]byte(written(t, r, JUnit, Options{})), &got); err != nil {
			t.Fatalf("%v\n%s", err, written(t, r, JUnit, Options{}))
		}
		if want := clean(message); message != "" && !strings.ContainsAny(want, "\ufffe\uffff") && got.Suites[0].Cases[0].Failure.Message != want {
			t.Errorf("%q is read as %q", want, got.Suites[0].Cases[0].Failure.Message)
		}
		text := written(t, r, HTML, Options{})
		if strings.Count(text, "<article") != 1 || strings.Count(text, "<") != strings.Count(text, ">") {
			t.Errorf("unescaped:\n%s", text)
		}
	})
}
