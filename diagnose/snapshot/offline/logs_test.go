package offline

import (
	"io"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

const loggedLine = `[2026-11-21T01:45:28.223Z] "GET /secret?token=1 HTTP/1.1" 503 UH no_healthy_upstream - "-" 0 19 4 - "-" "curl/8" "id" "de.wikipedia.org" "-" outbound|443||de.wikipedia.org - 10.244.0.4:8443 10.244.0.10:49240 de.wikipedia.org -`

// TestLogOfBugReport: what a proxy logged comes with its archive, whichever file is read first; the proxy without a log was not asked.
func TestLogOfBugReport(t *testing.T) {
	t.Parallel()
	files := report(t)
	var gateway string
	for name := range files {
		if dir, ok := strings.CutSuffix(name, "clusters"); ok && strings.Contains(dir, "istio-egressgateway") {
			gateway = dir
		}
	}
	files[gateway+"istio-proxy.log"] = []byte("2026-11-21T12:14:23.085062Z\tinfo\tFLAG: --concurrency\n" + loggedLine + "\n")
	s := loaded(t, files)
	for _, p := range s.Proxies {
		if p.Role != snapshot.AtGateway {
			if p.Log.Asked() {
				t.Errorf("%s: %+v", p.Name(), p.Log)
			}
			continue
		}
		if p.Log.State.Kind != snapshot.Read || len(p.Log.Lines) != 1 {
			t.Fatalf("%s: %+v", p.Name(), p.Log)
		}
		if l := p.Log.Lines[0]; l.Code != 503 || l.Flags != "UH" || l.Host != "de.wikipedia.org" || l.Cluster != "outbound|443||de.wikipedia.org" {
			t.Errorf("%+v", l)
		}
	}
	var saved strings.Builder
	if err := s.Save(&saved); err != nil || strings.Contains(saved.String(), "token=1") {
		t.Errorf("what was asked for is kept, %v", err)
	}
	if short := s.Narrow(1); short != 0 {
		t.Errorf("nobody knows when it was, and yet %d logs are said to be short", short)
	}
}

// TestLastLines: as many as are asked for, the last ones, whether or not the file ends its last line.
func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		tail int64
		want string
	}{
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc", 2, "b\nc"},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 9, "a\nb\nc\n"},
		{"a\nb\nc\n", 0, "a\nb\nc\n"},
		{"", 2, ""},
		{"\n\n", 1, "\n\n"},
	} {
		f := New()
		e := f.envoyOf("a", "b")
		e.log = []byte(tt.text)
		body, err := (&client{f}).logs(t.Context(), kube.Pod{Namespace: "a", Name: "b"}, kube.LogOptions{Tail: tt.tail})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != tt.want {
			t.Errorf("the last %d of %q: %q, %v; want %q", tt.tail, tt.text, got, err, tt.want)
		}
	}
}
