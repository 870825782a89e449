package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// logs gives every container the same log and remembers what was asked.
type logs struct {
	text  string
	err   error
	mu    sync.Mutex
	asked map[string]kube.LogOptions
}

func (l *logs) read(ctx context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked == nil {
		l.asked = map[string]kube.LogOptions{}
	}
	l.asked[p.Namespace+"/"+p.Name+" "+p.Container] = o
	if l.err != nil {
		return nil, l.err
	}
	return io.NopCloser(strings.NewReader(l.text)), ctx.Err()
}

const (
	tcpLine  = `[%s] "- - -" 0 UF,URX - - "delayed_connect_error:_Connection_refused" 0 0 6 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local - 10.96.0.83:443 10.244.0.10:50954 edition.cnn.com -` + "\n"
	httpLine = `[%s] "GET /politics?token=secret HTTP/2" 404 NR route_not_found - "-" 0 0 1 - "10.244.0.10" "curl/7.88.1" "823ac0f0-46f2-468f-b071-dc0553e5f471" "Edition.cnn.com:80" "-" - - 10.244.0.4:8080 10.244.0.10:49906 - -` + "\n"
	inbound  = `[%s] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 0 1 1 "-" "curl" "x" "sleep" "10.244.0.10:80" inbound|80|| 127.0.0.6:1 10.244.0.10:80 10.244.0.11:1 - default` + "\n"
)

// stamped writes a line with the time so long ago.
func stamped(line string, ago time.Duration) string {
	return fmt.Sprintf(line, time.Now().Add(-ago).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func TestLogs(t *testing.T) {
	t.Parallel()
	l := &logs{text: "2026-11-21T01:00:00.000000Z\tinfo\tagent speaks\n" + stamped(tcpLine, time.Hour) + stamped(tcpLine, time.Minute) + stamped(inbound, time.Second) + stamped(httpLine, time.Second)}
	s := gathered(t, working(t), Options{Logs: l.read, Since: 10 * time.Minute})
	if len(s.Proxies) != 3 || len(l.asked) != 3 {
		t.Fatalf("%d proxies, asked %v", len(s.Proxies), l.asked)
	}
	if o := l.asked["istio-system/egress-gateway-1 istio-proxy"]; o.Since != 10*time.Minute || o.Tail == 0 || o.LimitBytes == 0 {
		t.Errorf("asked %+v", o)
	}
	for i := range s.Proxies {
		got := s.Proxies[i].Log
		if got.State.Kind != snapshot.Read || got.Cut || !got.Since.Equal(s.Taken.Add(-10*time.Minute)) || len(got.Lines) != 2 {
			t.Fatalf("%s: %+v", s.Proxies[i].Name(), got)
		}
		for j := range got.Lines {
			got.Lines[j].Time = time.Time{}
		}
		want := []snapshot.LogLine{
			{
				Flags: "UF,URX", Failure: "delayed_connect_error:_Connection_refused", TCP: true, SNI: "edition.cnn.com", Upstream: "10.244.0.4:8443",
				Cluster: "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local", Asked: "10.96.0.83:443",
			},
			{Code: 404, Flags: "NR", Details: "route_not_found", Host: "edition.cnn.com", Asked: "10.244.0.4:8080"},
		}
		if diff := cmp.Diff(want, got.Lines); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}

// TestLogsNotAsked: who does not want logs needs no right to read them.
func TestLogsNotAsked(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		if p := gathered(t, working(t), Options{}).Proxies[i]; p.Log.Asked() {
			t.Errorf("%+v", p.Log)
		}
	}
	s := gathered(t, working(t), Options{Logs: (&logs{text: stamped(tcpLine, 1000*time.Hour)}).read})
	if l := s.Proxies[0].Log; len(l.Lines) != 1 || !l.Since.IsZero() {
		t.Errorf("without bound all counts: %+v", l)
	}
}

// TestLogsFail: each way of failing is told apart, and the proxies' configuration is read all the same.
func TestLogsFail(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]snapshot.Kind{
		kube.ErrForbidden: snapshot.Forbidden, kube.ErrAbsent: snapshot.Absent, kube.ErrTimeout: snapshot.TimedOut, errors.New("odd"): snapshot.Failed,
		context.DeadlineExceeded: snapshot.TimedOut,
	} {
		for _, p := range gathered(t, working(t), Options{Logs: (&logs{err: err}).read}).Proxies {
			if p.Log.State.Kind != want || p.State.Kind != snapshot.Read || p.Log.State.Detail == "" {
				t.Errorf("%v: log %+v, proxy %+v", err, p.Log.State, p.State)
			}
		}
	}
	if _, err := Gather(t.Context(), working(t), Options{Facts: facts(), Logs: (&logs{err: kube.ErrUnreachable}).read}); !errors.Is(err, kube.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// breaking ends in the middle of a line.
type breaking struct{ io.Reader }

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestLogBreaksOff(t *testing.T) {
	t.Parallel()
	read := func(context.Context, kube.Pod, kube.LogOptions) (io.ReadCloser, error) {
		return io.NopCloser(breaking{strings.NewReader(stamped(tcpLine, 0) + "[2026-")}), nil
	}
	l := gathered(t, working(t), Options{Logs: read}).Proxies[0].Log
	if l.State.Kind != snapshot.Cut || len(l.Lines) != 1 {
		t.Errorf("%+v", l)
	}
}

// TestLogHangs: a log that never ends costs the deadline and no more.
func TestLogHangs(t *testing.T) {
	t.Parallel()
	read := func(ctx context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error) {
		r, w := io.Pipe()
		context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
		return r, nil
	}
	start := time.Now()
	for _, p := range gathered(t, working(t), Options{Logs: read, Deadline: 50 * time.Millisecond}).Proxies {
		if p.Log.State.Kind != snapshot.TimedOut {
			t.Errorf("%+v", p.Log.State)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestLogFloods: only the last lines are kept, and that there were more is said.
func TestLogFloods(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range snapshot.MaxLines + 7 {
		text.WriteString(stamped(tcpLine, time.Duration(1000-i)*time.Second))
	}
	l := gathered(t, working(t), Options{Logs: (&logs{text: text.String()}).read}).Proxies[0].Log
	if len(l.Lines) != snapshot.MaxLines || !l.Cut || !l.Lines[0].Time.Before(l.Lines[1].Time) {
		t.Errorf("%d lines, cut %t", len(l.Lines), l.Cut)
	}
}

// TestLogFormat: lines in the mesh's own format are known by it.
func TestLogFormat(t *testing.T) {
	t.Parallel()
	f := facts()
	f.Config = mesh.MeshConfig{AccessLogFormat: `own %START_TIME% %RESPONSE_CODE% %REQUESTED_SERVER_NAME%` + "\n"}
	l := &logs{text: fmt.Sprintf("own %s 0 a.example.com\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))}
	s, err := Gather(t.Context(), working(t), Options{Facts: f, Logs: l.read})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Proxies[0].Log.Lines; len(got) != 1 || got[0].SNI != "a.example.com" {
		t.Errorf("%+v", got)
	}
}
