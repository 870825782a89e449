package plugin

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

const gatewayLine = `2026-11-21T06:55:38.445953843Z [2026-11-21T01:45:28.223Z] "- - -" 0 - - - "-" 749 1559 4 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:34014 10.244.0.4:8443 10.244.0.10:49240 edition.cnn.com -` + "\n"

const sidecarLine = `2026-11-21T06:55:38.445953843Z [2026-11-21T01:45:28.221Z] "- - -" 0 - - - "-" 749 1559 6 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|cnn|egress.gw.svc.cluster.local 10.244.0.10:49240 10.96.0.83:443 10.244.0.10:50954 edition.cnn.com -` + "\n"

// printing makes a printer for a command line's format, and where it prints.
func printing(format string, join bool, gateways []mesh.Gateway) (*logPrinter, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	c := &logsCommand{
		tool: &tool{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errs}}, output: &choice{value: format}, join: join,
	}
	return c.printer(gateways), &out, &errs
}

func TestLinesHaveTheirPod(t *testing.T) {
	t.Parallel()
	p, out, errs := printing(formatJSON, false, nil)
	s := logstream.Source{Kind: accesslog.Gateway, Namespace: "gw", Pod: "egress-1", Container: "istio-proxy"}
	if err := p.take(s, []byte(gatewayLine+"2026-11-21T06:55:38.445953843Z something else\n")); err != nil {
		t.Fatal(err)
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"source":"gateway"`, `"namespace":"gw"`, `"pod":"egress-1"`, `"sni":"edition.cnn.com"`} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%s is not there once:\n%s", want, out)
		}
	}
	if want := "1 line left out that is no access log"; !strings.Contains(errs.String(), want) {
		t.Errorf("stderr %q, want %q", errs, want)
	}
}

// TestRawIsUntouched, to the byte, but for the time that was asked for to follow; a terminal gets no escapes.
func TestRawIsUntouched(t *testing.T) {
	t.Parallel()
	text := "2026-11-21T06:55:38.445953843Z caf\x82 \x1b[31mred\u202e\n"
	p, out, _ := printing(formatRaw, false, nil)
	if err := p.take(logstream.Source{}, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if want := "caf\x82 \x1b[31mred\u202e\n"; out.String() != want {
		t.Errorf("%q, want %q", out, want)
	}
	p, out, _ = printing(formatRaw, false, nil)
	p.plain = true
	if err := p.take(logstream.Source{}, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if want := "caf\uFFFD \\u001b[31mred\\u202e\n"; out.String() != want {
		t.Errorf("on a terminal %q, want %q", out, want)
	}
}

func TestRawWithAFilter(t *testing.T) {
	t.Parallel()
	p, out, errs := printing(formatRaw, false, nil)
	p.filter.Hosts = []egress.Host{"edition.cnn.com"}
	p.sieve = p.filter.Sieve()
	if err := p.take(logstream.Source{}, []byte(gatewayLine+"about edition.cnn.com\nabout nothing\n")); err != nil {
		t.Fatal(err)
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	if _, want, _ := strings.Cut(gatewayLine, " "); out.String() != want {
		t.Errorf("%q, want %q", out, want)
	}
	if !strings.Contains(errs.String(), "1 line left out") {
		t.Errorf("stderr %q", errs)
	}
}

// TestJoinKnowsTheGateways: a gateway's name says nothing; that it was discovered does.
func TestJoinKnowsTheGateways(t *testing.T) {
	t.Parallel()
	gateways := []mesh.Gateway{{Namespace: "gw", Service: "egress", Pods: []mesh.Pod{{Name: "egress-1", IPs: []string{"10.244.0.4"}}}}}
	gateway := logstream.Source{Kind: accesslog.Gateway, Pod: "egress-1"}
	sidecar := logstream.Source{Kind: accesslog.Sidecar, Pod: "sleep-1"}
	for name, c := range map[string]struct {
		lines    map[logstream.Source]string
		gateways []mesh.Gateway
		want     string
	}{
		"both":              {map[logstream.Source]string{gateway: gatewayLine, sidecar: sidecarLine}, gateways, "through the gateway  "},
		"never seen":        {map[logstream.Source]string{sidecar: sidecarLine}, gateways, "NEVER SEEN by the gateway"},
		"another gateway's": {map[logstream.Source]string{sidecar: strings.Replace(sidecarLine, "10.244.0.4", "10.244.0.9", 1)}, gateways, "gateway's log not read"},
		"no gateway":        {map[logstream.Source]string{sidecar: sidecarLine}, []mesh.Gateway{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, out, _ := printing("text", true, c.gateways)
			for s, text := range c.lines {
				if err := p.take(s, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.end(); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Count(got, "\n") > 1 {
				t.Errorf("printed %q, want %q", got, c.want)
			}
		})
	}
}

// TestExpiredRowsArePrinted: while following nobody waits for the end.
func TestExpiredRowsArePrinted(t *testing.T) {
	t.Parallel()
	p, out, _ := printing("text", true, []mesh.Gateway{{Namespace: "gw", Service: "egress"}})
	if err := p.take(logstream.Source{Kind: accesslog.Sidecar}, []byte(sidecarLine)); err != nil || out.Len() > 0 {
		t.Fatalf("printed at once: %q, %v", out, err)
	}
	written := time.Date(2026, 11, 21, 6, 55, 38, 0, time.UTC)
	if err := p.expireAt(written.Add(10 * time.Second)); err != nil || out.Len() > 0 {
		t.Errorf("after 10 s: %q, %v", out, err)
	}
	if err := p.expireAt(written.Add(20 * time.Second)); err != nil || out.Len() == 0 {
		t.Errorf("after 20 s: %q, %v", out, err)
	}
}

// TestTakenByMany: lines of several sources at the same time do not mix.
func TestTakenByMany(t *testing.T) {
	t.Parallel()
	p, out, _ := printing(formatRaw, false, nil)
	var all sync.WaitGroup
	for _, pod := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			for range 200 {
				if err := p.take(logstream.Source{Pod: pod}, []byte(gatewayLine+sidecarLine)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	_, one, _ := strings.Cut(gatewayLine, " ")
	_, two, _ := strings.Cut(sidecarLine, " ")
	if got := strings.Count(out.String(), one+two); got != 800 {
		t.Errorf("%d pairs of lines, want 800", got)
	}
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestNowhereToPrint(t *testing.T) {
	t.Parallel()
	p, _, _ := printing(formatRaw, false, nil)
	p.out = brokenPipe{}
	if err := p.take(logstream.Source{}, []byte(gatewayLine)); !errors.Is(err, errPipe) {
		t.Errorf("error %v", err)
	}
}

// TestEveryWordIsPlain: whatever a client or a cluster wrote, no cell moves a terminal's cursor.
func TestEveryWordIsPlain(t *testing.T) {
	t.Parallel()
	evil := "\x1b[2J\u009b31m\u202e"
	line := strings.NewReplacer("edition.cnn.com -", evil+" "+evil, `"- - -" 0 - - - "-"`, `"G`+evil+" /"+evil+` HTTP/1.1" 503 UF a`+evil+` - "`+evil+`"`).Replace(gatewayLine)
	for _, format := range []string{"text", formatWide, formatJSON} {
		p, out, _ := printing(format, false, nil)
		if err := p.take(logstream.Source{Pod: "p" + evil}, []byte(line)); err != nil {
			t.Fatal(err)
		}
		if out.Len() == 0 || strings.ContainsAny(out.String(), "\x1b\u009b\u202e") {
			t.Errorf("%s: %q", format, out)
		}
	}
}

// TestNoAllocationPerLine: what is read, filtered and printed leaves no garbage behind. It is not parallel: it counts allocations.
func TestNoAllocationPerLine(t *testing.T) {
	const lines = 100
	chunk := []byte(strings.Repeat(gatewayLine, lines))
	s := logstream.Source{Kind: accesslog.Gateway, Namespace: "gw", Pod: "egress-1", Container: "istio-proxy"}
	for _, format := range []string{formatJSON, formatRaw, "text", formatWide} {
		p, out, _ := printing(format, false, nil)
		p.filter = accesslog.Filter{Hosts: []egress.Host{"edition.cnn.com"}}
		p.sieve = p.filter.Sieve()
		got := testing.AllocsPerRun(20, func() {
			out.Reset()
			if err := p.take(s, chunk); err != nil {
				t.Fatal(err)
			}
		})
		if got > 0 {
			t.Errorf("%s: %.0f allocations for %d lines", format, got, lines)
		}
		if n := bytes.Count(out.Bytes(), []byte("\n")); n != lines {
			t.Errorf("%s: %d lines of %d", format, n, lines)
		}
	}
}
