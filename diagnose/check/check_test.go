package check

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// TestTable: codes are unique, in order, and every check can be explained offline.
func TestTable(t *testing.T) {
	t.Parallel()
	last := Code("")
	for _, c := range Table() {
		if !regexp.MustCompile(`^EGR0[0-9]{2}$`).MatchString(string(c.Code)) || c.Code <= last {
			t.Errorf("code %q after %q", c.Code, last)
		}
		last = c.Code
		if c.Title == "" || len(c.Title) > 60 || c.Hop == "" || !slices.Contains([]State{Fail, Warn, Skip, Unknown}, c.Severity) {
			t.Errorf("%s: title %q, hop %q, severity %q", c.Code, c.Title, c.Hop, c.Severity)
		}
		if len(c.Why) < 80 || len(c.Fix) < 30 || !strings.HasSuffix(c.Why, ".") || !strings.HasSuffix(c.Fix, ".") {
			t.Errorf("%s: why %q, fix %q", c.Code, c.Why, c.Fix)
		}
		found, ok := Find(c.Code)
		if !ok || found.Title != c.Title {
			t.Errorf("Find(%s) gives %q, %t", c.Code, found.Title, ok)
		}
	}
	if _, ok := Find("EGR999"); ok {
		t.Error("Find knows a code that does not exist")
	}
}

// finding gives the only finding of a code that is no pass.
func finding(t *testing.T, s *snapshot.Snapshot, code Code) Finding {
	t.Helper()
	_, all := diagnosis(s)
	var found []Finding
	for _, f := range all {
		if f.Code == code && f.State != Pass {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d findings of %s, want one; said %v", len(found), code, said(all))
	}
	return found[0]
}

// TestUnread: what a check needs and could not be read makes it unknown, with the words that tell which right is missing.
func TestUnread(t *testing.T) {
	t.Parallel()
	for source, codes := range map[snapshot.Source][]Code{
		snapshot.VirtualServices:  {"EGR001", "EGR011", "EGR012", "EGR058"},
		snapshot.ServiceEntries:   {"EGR002", "EGR003", "EGR035", "EGR037", "EGR058"},
		snapshot.Gateways:         {"EGR011", "EGR017", "EGR020", "EGR058"},
		snapshot.DestinationRules: {"EGR017", "EGR023", "EGR024"},
		snapshot.Services:         {"EGR026"},
		snapshot.Sets:             {"EGR057"},
	} {
		t.Run(string(source), func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, "set-auto-mtls")
			s.States[source] = snapshot.State{Kind: snapshot.Forbidden, Detail: "cannot list it"}
			_, all := diagnosis(s)
			for _, code := range codes {
				i := slices.IndexFunc(all, func(f Finding) bool { return f.Code == code && f.State == Unknown })
				if i < 0 {
					t.Errorf("%s is not unknown", code)
					continue
				}
				if m := all[i].Message; !strings.Contains(m, "forbidden") || !strings.Contains(m, "cannot list it") {
					t.Errorf("%s: message %q", code, m)
				}
			}
		})
	}
}

// TestNothingAskedFor: the zero snapshot has read nothing, and so nothing passes.
func TestNothingAskedFor(t *testing.T) {
	t.Parallel()
	for _, f := range Run(&snapshot.Snapshot{}, nil) {
		if f.State != Unknown {
			t.Errorf("%s is %s", f.Code, f.State)
		}
	}
}

// TestAbsentKind: a cluster without a kind of object has none of them, and that is known.
func TestAbsentKind(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "working-passthrough")
	s.States[snapshot.DestinationRules] = snapshot.State{Kind: snapshot.Absent}
	if _, all := diagnosis(s); !slices.Equal(said(all), []string{"skip EGR052 " + tls}) {
		t.Errorf("said %v", said(all))
	}
}

func TestBrokenSet(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "none")
	s.Sets = []snapshot.Set{{Set: egress.Set{Namespace: "shop", Name: "news"}, Broken: "line 3: unknown field"}}
	f := finding(t, s, "EGR057")
	want := Finding{
		Code: "EGR057", Title: setUnreadable.Title, State: Fail, Hop: egress.AtWorkload,
		Object:  &Object{Kind: "ConfigMap", Namespace: "shop", Name: "egress-news", Field: "data.set.yaml"},
		Message: "the declaration of set shop/news cannot be read: line 3: unknown field",
		Fix:     "kubectl -n shop edit configmap egress-news",
		Stays:   true,
	}
	if diff := cmp.Diff(want, f, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".explains" }, cmp.Ignore())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestPartlyRead: of two gateway pods one answers. The path is judged by it, and the other is told of.
func TestPartlyRead(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "working-passthrough")
	second := s.Proxies[0]
	second.Pod, second.IP, second.State = "second", "10.244.0.99", snapshot.State{Kind: snapshot.TimedOut, Detail: "no answer"}
	s.Proxies = append(s.Proxies, second)
	for i := range s.Proxies {
		for j, c := range s.Proxies[i].Hosts {
			if strings.HasPrefix(c.Cluster, "outbound|443||istio-egress") && s.Proxies[i].Role == snapshot.AtSidecar {
				more := c.Hosts[0]
				more.Address = second.IP
				s.Proxies[i].Hosts[j].Hosts = append(s.Proxies[i].Hosts[j].Hosts, more)
			}
		}
	}
	f := finding(t, s, "EGR056")
	if f.State != Unknown || f.Hop != egress.AtGateway || !strings.Contains(f.Message, "second could not be read: no answer") {
		t.Errorf("%+v", f)
	}
}

// TestManyWorkloads: however many sidecars do the same, it is one finding with a few of them named.
func TestManyWorkloads(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR001")
	one := s.Proxies[1]
	for _, name := range []string{"b", "c", "d", "e", "f", "g", "h"} {
		one.Pod = name
		s.Proxies = append(s.Proxies, one)
	}
	f := finding(t, s, "EGR001")
	if len(f.Evidence) != maxEvidence+1 || f.Evidence[maxEvidence] != "and so do 3 more" {
		t.Errorf("evidence %q", f.Evidence)
	}
}

func TestWordQuotes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"egress-cnn": "egress-cnn", "a.b/c:d": "a.b/c:d", "": "''", "a b": "'a b'", "$(reboot)": "'$(reboot)'",
		"it's": `'it'\''s'`, "a\nb": "'a b'", "`x`": "'`x`'", "*": "'*'",
	} {
		if got := word(in); got != want {
			t.Errorf("word(%q) = %s, want %s", in, got, want)
		}
	}
}

// TestHostileNames: names from a cluster end up in commands that people copy. They stay one word there, and a manifest one line.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	s := captured.Load(t, "EGR011")
	s.Objects.Gateways[0].Name = "cnn; rm -rf ~"
	s.Objects.VirtualServices[0].Spec.Gateways[1] = "cnn; rm -rf ~"
	if fix := finding(t, s, "EGR011").Fix; !strings.Contains(fix, " 'cnn; rm -rf ~' ") {
		t.Errorf("fix %s", fix)
	}
	s = captured.Load(t, "EGR023-none")
	s.Objects.VirtualServices[0].Spec.HTTP[0].Route[0].Destination.Subset = "x\nEOF\nreboot"
	for i := range s.Proxies {
		for j := range s.Proxies[i].Config.Routes {
			for k := range s.Proxies[i].Config.Routes[j].Hosts {
				for l, r := range s.Proxies[i].Config.Routes[j].Hosts[k].Routes {
					s.Proxies[i].Config.Routes[j].Hosts[k].Routes[l].Cluster = strings.Replace(r.Cluster, "|cnn|", "|x\nEOF\nreboot|", 1)
				}
			}
		}
	}
	if lines := strings.Split(finding(t, s, "EGR023").Fix, "\n"); len(lines) != 3 || lines[2] != "EOF" {
		t.Errorf("the manifest ends early: %q", lines)
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/spec/tls/1/match/0/port": "spec.tls[1].match[0].port", "/spec/subsets/10/trafficPolicy": "spec.subsets[10].trafficPolicy", "/spec": "spec",
	} {
		if got := field(in); got != want {
			t.Errorf("field(%q) = %q, want %q", in, got, want)
		}
	}
}
