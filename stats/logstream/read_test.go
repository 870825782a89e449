package logstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// all reads the node's gateway once, and gives "pod: line" in the order in which they came.
func all(t *testing.T, n *node, o Options) (lines []string, err error) {
	t.Helper()
	client := n.client()
	finder := &Finder{Client: client, Gateways: []Gateway{{Namespace: "gw", Selector: map[string]string{"istio": "egressgateway"}}}}
	sources, err := finder.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = Read(t.Context(), client, sources, o, func(s Source, chunk []byte) error {
		for line := range strings.Lines(string(chunk)) {
			_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			lines = append(lines, s.Pod+": "+text)
		}
		return nil
	})
	return lines, err
}

// TestReadMerges: lines of several pods come in the order in which they were written.
func TestReadMerges(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, p := range []string{"a", "b", "c", "silent"} {
		n.add(p)
	}
	var want []string
	for i := range 60 {
		pod := string('a' + rune(i*7/2%3))
		n.change(func() { n.now = n.now.Add(time.Second) })
		n.write(pod, fmt.Sprint(i))
		want = append(want, fmt.Sprintf("%s: %d", pod, i))
	}
	got, err := all(t, n, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got, err = all(t, n, Options{Tail: 1})
	if err != nil || len(got) != 3 {
		t.Errorf("the last of each: %q, %v", got, err)
	}
	n.mu.Lock()
	since := n.now.Add(-5 * time.Second)
	n.mu.Unlock()
	got, err = all(t, n, Options{Since: since})
	if err != nil || !cmp.Equal(want[len(want)-len(got):], got) || len(got) < 4 || len(got) > 7 {
		t.Errorf("the last seconds: %q, %v", got, err)
	}
}

// TestReadWhatCanBeRead: one log that is forbidden or cut is the error, and the others are read all the same; a pod that is gone or has
// not started is only told.
func TestReadWhatCanBeRead(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.add("a", "line 0")
	n.add("b", "line 0")
	n.add("c", "line 0")
	n.change(func() { n.pods["b"].forbidden, n.pods["c"].waiting = true, true })
	var notes []string
	got, err := all(t, n, Options{Note: func(s string) { notes = append(notes, s) }})
	if !errors.Is(err, kube.ErrForbidden) || !cmp.Equal(got, []string{"a: line 0"}) {
		t.Errorf("%q, %v", got, err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "waiting to start") {
		t.Errorf("notes %q", notes)
	}
	broken := errors.New("broken pipe")
	err = Read(t.Context(), n.client(), []Source{{Namespace: "gw", Pod: "a", Container: "istio-proxy"}}, Options{}, func(Source, []byte) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("the handler's error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Read(ctx, n.client(), []Source{{Namespace: "gw", Pod: "a"}}, Options{}, func(Source, []byte) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("when stopped: %v", err)
	}
}

// TestChunks: however a reader cuts what it gives, whole lines come out of it.
func TestChunks(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a line\nand another, longer one\n\n", 2000) + "the last without end"
	for name, r := range map[string]io.Reader{
		"all":       strings.NewReader(text),
		"bytes":     iotest.OneByteReader(strings.NewReader(text)),
		"halves":    iotest.HalfReader(strings.NewReader(text)),
		"end early": iotest.DataErrReader(strings.NewReader(text)),
	} {
		var got bytes.Buffer
		err := Chunks(r, func(chunk []byte) error {
			if !bytes.HasSuffix(chunk, []byte("\n")) && !bytes.HasSuffix(chunk, []byte("without end")) {
				t.Errorf("%s: a chunk ends with %q", name, chunk[max(0, len(chunk)-20):])
			}
			got.Write(chunk)
			return nil
		})
		if err != nil || got.String() != text {
			t.Errorf("%s: %d bytes of %d, %v", name, got.Len(), len(text), err)
		}
	}
	if err := Chunks(iotest.ErrReader(io.ErrUnexpectedEOF), func([]byte) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a reader that fails: %v", err)
	}
	broken := errors.New("broken pipe")
	if err := Chunks(strings.NewReader(text), func([]byte) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a handler that fails: %v", err)
	}
}

// TestLongLines: a line without bounds takes no memory without bounds, and the next one is whole.
func TestLongLines(t *testing.T) {
	t.Parallel()
	for _, extra := range []int{-1, 0, 1, 2, 5 << 20} {
		text := "first\n" + strings.Repeat("x", maxLine+extra) + "\nlast\n"
		l := lines{r: iotest.HalfReader(strings.NewReader(text))}
		var got []string
		for {
			chunk, err := l.next()
			if err != nil {
				break
			}
			for line := range strings.Lines(string(chunk)) {
				got = append(got, line)
			}
		}
		cut := 0
		if extra > 0 {
			cut = 1
		}
		if len(got) != 3 || got[0] != "first\n" || got[2] != "last\n" || len(got[1]) != min(maxLine+extra, maxLine)+1 || l.cut != cut {
			t.Errorf("%d over: %d lines, the long one of %d bytes, %d cut", extra, len(got), len(got[min(1, len(got)-1)]), l.cut)
		}
		if len(l.buf) > maxLine+1 {
			t.Errorf("%d over: a buffer of %d bytes", extra, len(l.buf))
		}
	}
}

// TestReplay: what was handled is passed over, and nothing else, for each place at which a log can have been left.
func TestReplay(t *testing.T) {
	t.Parallel()
	stamps := []string{"07:00:00.1", "07:00:00.1", "07:00:00.2", "07:00:00.2", "07:00:00.2", "07:00:00.3", "07:00:01", "07:00:01"}
	var log []string
	for i, s := range stamps {
		log = append(log, fmt.Sprintf("2026-11-21T%sZ line %d\n", s, i))
	}
	for left := range len(log) + 1 {
		for step := 1; step <= 3; step++ {
			var m mark
			for i := 0; i < left; i += step {
				m.advance([]byte(strings.Join(log[i:min(i+step, left)], "")))
			}
			r := from(m)
			var got strings.Builder
			for i := 0; i < len(log); i += step { // as the kubelet gives it again
				got.Write(r.skip([]byte(strings.Join(log[i:min(i+step, len(log))], ""))))
			}
			if want := strings.Join(log[left:], ""); got.String() != want {
				t.Errorf("left after %d, %d at a time: got\n%swant\n%s", left, step, got.String(), want)
			}
		}
	}
	r := from(mark{at: timeOf([]byte(log[2])), same: 3}) // the file was rotated: it begins later
	if got := r.skip([]byte(log[6])); string(got) != log[6] {
		t.Errorf("after a rotation %q", got)
	}
	r = from(mark{at: timeOf([]byte(log[7])), same: 2}) // the clock was set back
	text := log[6] + log[7] + "2026-11-21T06:59:59Z early\n"
	if got := string(r.skip([]byte(text))); got != "2026-11-21T06:59:59Z early\n" {
		t.Errorf("after the clock was set back %q", got)
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	got, err := parseFormats(`
accessLogFile: /dev/stdout
accessLogFormat: "[%START_TIME%] %RESPONSE_CODE%\n"
extensionProviders:
- name: zipkin
- name: mine
  envoyFileAccessLog: {path: /dev/stdout, logFormat: {text: "%START_TIME% %DURATION%"}}
- name: json
  envoyFileAccessLog: {logFormat: {labels: {status: "%RESPONSE_CODE%", at: "%START_TIME%"}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"[%START_TIME%] %RESPONSE_CODE%\n", "%START_TIME% %DURATION%", `{"at":"%START_TIME%","status":"%RESPONSE_CODE%"}`}
	var texts []string
	for _, f := range got {
		texts = append(texts, f.String())
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, bad := range []string{"accessLogFormat: [", "accessLogFormat: hello"} {
		if _, err := parseFormats(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if got, err := parseFormats("accessLogFile: /dev/stdout"); err != nil || len(got) != 0 {
		t.Errorf("without any: %v, %v", got, err)
	}
}

func TestPodsOfWorkloads(t *testing.T) {
	t.Parallel()
	var p pod
	p.Metadata.Name = "sleep-68cb87bdf-68swb"
	p.Metadata.Owners = append(p.Metadata.Owners, struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}{"ReplicaSet", "sleep-68cb87bdf"})
	for name, want := range map[string]bool{"sleep": true, "sleep-68cb87bdf-68swb": true, "slee": false, "sleep-68cb87bdf": false} {
		if got := p.of(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	p.Spec.Init = []container{{Name: proxyContainer, Args: []string{"proxy", "sidecar"}}}
	if !p.sidecar() || p.router() != "" {
		t.Error("a native sidecar is one")
	}
	p.Spec.Containers = []container{{Name: "egressgateway", Args: []string{"proxy", "router"}}}
	if p.sidecar() || p.router() != "egressgateway" {
		t.Error("a gateway of Istio 0.8 is one")
	}
	s := p.source(accesslog.Gateway, "egressgateway")
	if got := once([]Source{s, s}); len(got) != 1 || s.String() != "/sleep-68cb87bdf-68swb (egressgateway)" {
		t.Errorf("%v", got)
	}
}
