package mesh

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want Version
	}{
		{"1.31.0", Version{1, 31, 0}},
		{"v1.31.0", Version{1, 31, 0}},
		{"1.31", Version{1, 31, 0}},
		{" 1.4.10\n", Version{1, 4, 10}},
		{"1.31.0-distroless", Version{1, 31, 0}},
		{"1.31.0-rc.0", Version{1, 31, 0}},
		{"1.20.8-asm.1", Version{1, 20, 8}},
		{"1.31-alpha.86c9f01fd", Version{1, 31, 0}},
		{"1.31.0-eed52ebb66ad-Clean", Version{1, 31, 0}},
		{"1.28.1+solo.2", Version{1, 28, 1}},
	} {
		got, err := ParseVersion(test.text)
		if err != nil || got != test.want {
			t.Errorf("ParseVersion(%q) = %v, %v; want %v", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{
		"", "lab", "latest", "unknown", "unknown-unknown-unknown", "1", "1.", ".1", "1.2.3.4", "1.x", "-1.2", "+1.2", "1.-2", "1.2.",
		"0.0.0", "0.0", "1.99999", "1. 2", "eed52ebb66ad", "20260831.1", "master-alpha.1", "v", "vv1.2", "１.２",
	} {
		if got, err := ParseVersion(text); err == nil || got != (Version{}) {
			t.Errorf("ParseVersion(%q) = %v, %v; want an error", text, got, err)
		}
	}
}

func TestVersionCompares(t *testing.T) {
	t.Parallel()
	order := []Version{{}, {0, 8, 0}, {1, 0, 0}, {1, 4, 10}, {1, 5, 0}, {1, 31, 0}, {1, 31, 1}, {2, 0, 0}}
	for i, a := range order {
		for j, b := range order {
			if got := a.Compare(b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%v.Compare(%v) = %d", a, b, got)
			}
		}
	}
	for _, test := range []struct {
		v            Version
		major, minor int
		want         bool
	}{
		{Version{1, 5, 0}, 1, 5, true},
		{Version{1, 4, 9}, 1, 5, false},
		{Version{1, 31, 2}, 1, 5, true},
		{Version{2, 0, 0}, 1, 31, true},
		{Version{}, 1, 0, false},
	} {
		if got := test.v.AtLeast(test.major, test.minor); got != test.want {
			t.Errorf("%v.AtLeast(%d, %d) = %t", test.v, test.major, test.minor, got)
		}
	}
}

func TestVersionJSON(t *testing.T) {
	t.Parallel()
	type holder struct {
		V Version `json:"v"`
	}
	for text, want := range map[string]Version{`{"v":"1.31.0"}`: {1, 31, 0}, `{"v":""}`: {}} {
		var got holder
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.V != want {
			t.Errorf("%s: %v, %v", text, got.V, err)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != text {
			t.Errorf("%s becomes %s, %v", text, again, err)
		}
	}
	var got holder
	if err := json.Unmarshal([]byte(`{"v":"new"}`), &got); err == nil {
		t.Error("a word was taken for a version")
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, text := range []string{"1.31.0", "v1.4", "unknown", "1.2.3-x.y+z", "..", "99999.1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVersion(text)
		if err != nil {
			if !v.IsZero() {
				t.Errorf("%q gives %v beside an error", text, v)
			}
			return
		}
		again, err := ParseVersion(v.String())
		if err != nil || again != v || v.IsZero() || v.Compare(again) != 0 {
			t.Errorf("%q gives %v, and that %v, %v", text, v, again, err)
		}
	})
}

func TestFacts(t *testing.T) {
	t.Parallel()
	g := Gateway{Namespace: "istio-system", Service: "istio-egressgateway", Ports: []Port{{"http2", 80, 8080}, {"tls", 443, 8443}}}
	f := Facts{Gateways: []Gateway{{Namespace: "a", Service: "b"}, g}}
	got, ok := f.Gateway(g.Ref())
	if diff := cmp.Diff(g, got); diff != "" || !ok {
		t.Errorf("Gateway(%s): %t %s", g.Ref(), ok, diff)
	}
	if _, ok := f.Gateway(Gateway{Namespace: "a", Service: "istio-egressgateway"}.Ref()); ok {
		t.Error("a gateway of another namespace was found")
	}
	if want := "istio-egressgateway.istio-system.svc.cluster.local"; g.Host("cluster.local") != want {
		t.Errorf("Host = %q, want %q", g.Host("cluster.local"), want)
	}
	for number, want := range map[int]int{80: 8080, 443: 8443, 8443: 0} {
		if target, ok := g.Target(number); target != want || ok != (want != 0) {
			t.Errorf("Target(%d) = %d, %t", number, target, ok)
		}
	}
}
