package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// pods is a Client without a cluster: what forwards and commands give, by the first word of a command.
type pods struct {
	forward error
	execs   map[string]result
	alone   bool // the pod has one container, not of the usual name
	mu      sync.Mutex
	asked   []string
}

type result struct {
	out, words string
	err        error
}

func (p *pods) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, s)
}

func (p *pods) EnvoyGet(_ context.Context, namespace, pod, path string) (io.ReadCloser, error) {
	p.note("forward " + namespace + "/" + pod + " " + path)
	if p.forward != nil {
		return nil, p.forward
	}
	return io.NopCloser(strings.NewReader("forwarded")), nil
}

func (p *pods) EnvoyPortGet(ctx context.Context, namespace, pod string, port int, path string) (io.ReadCloser, error) {
	return p.EnvoyGet(ctx, namespace, pod, ":"+strconv.Itoa(port)+path)
}

func (p *pods) Exec(ctx context.Context, pod kube.Pod, command []string, stdout, stderr io.Writer) error {
	p.note("exec " + pod.Namespace + "/" + pod.Name + "/" + pod.Container + " " + strings.Join(command, " "))
	r := p.execs[command[0]]
	if pod.Container != "" && p.alone {
		return fmt.Errorf("exec in pod %s/%s: refused: container %s is not valid for pod %[2]s", pod.Namespace, pod.Name, pod.Container)
	}
	if _, err := io.WriteString(stderr, "GOMEMLIMIT is set\n"+r.words); err != nil {
		return err
	}
	for _, piece := range strings.SplitAfter(r.out, "|") {
		if _, err := io.WriteString(stdout, piece); err != nil {
			return err
		}
	}
	if r.out == "hang" {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.err
}

var (
	forbidden  = &kube.Error{Kind: kube.ErrForbidden, Doing: "port-forward to pod ns/gw"}
	noExec     = &kube.Error{Kind: kube.ErrForbidden, Doing: "exec in pod ns/gw"}
	errExit1   = fmt.Errorf("pilot-agent in ns/gw: %w", &kube.ExitError{Code: 1})
	errExit127 = fmt.Errorf("x in ns/gw: %w", &kube.ExitError{Code: 127})
	errNoFile  = errors.New(`exec in pod ns/gw: OCI runtime exec failed: exec: "pilot-agent": executable file not found in $PATH`)
)

const (
	forward = "forward ns/gw /stats"
	agent   = "exec ns/gw/istio-proxy pilot-agent request GET stats"
	curl    = "exec ns/gw/istio-proxy curl -s -S -f -g http://127.0.0.1:15000/stats"
)

func TestWays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		via   Via
		pods  *pods
		want  string
		err   string // part of it
		how   string
		asked []string
		notes int
	}{
		"forwarded":                         {Auto, &pods{}, "forwarded", "", byForward, []string{forward}, 0},
		"the one right is not there":        {Auto, &pods{forward: forbidden, execs: map[string]result{"pilot-agent": {out: "a|b|c"}}}, "a|b|c", "", byAgent, []string{forward, agent}, 1},
		"nor the other":                     {Auto, &pods{forward: forbidden, execs: map[string]result{"pilot-agent": {err: noExec}}}, "", "port-forward to pod", "", []string{forward, agent}, 0},
		"exec is wanted":                    {Exec, &pods{execs: map[string]result{"pilot-agent": {out: "x"}}}, "x", "", byAgent, []string{agent}, 0},
		"exec is wanted and forbidden":      {Exec, &pods{execs: map[string]result{"pilot-agent": {err: noExec}}}, "", "exec in pod", "", []string{agent}, 0},
		"a forward is wanted and forbidden": {PortForward, &pods{forward: forbidden}, "", "port-forward to pod", "", []string{forward}, 0},
		"the pod is gone":                   {Auto, &pods{forward: kube.ErrAbsent}, "", "not found", "", []string{forward}, 0},
		"an old image: the agent cannot": {
			Exec, &pods{execs: map[string]result{
				"pilot-agent": {words: "Error: unknown command \"request\" for \"pilot-agent\"\nRun 'pilot-agent --help' for usage.\n", err: errExit1}, "curl": {out: "old"},
			}}, "old", "", byCurl, []string{agent, curl}, 0,
		},
		"an image without the agent": {Exec, &pods{execs: map[string]result{"pilot-agent": {err: errNoFile}, "curl": {out: "old"}}}, "old", "", byCurl, []string{agent, curl}, 0},
		"a gateway of Istio 1.0": {
			Auto, &pods{forward: forbidden, alone: true, execs: map[string]result{"pilot-agent": {words: "Error: unknown command\n", err: errExit1}, "curl": {out: "oldest"}}},
			"oldest", "", byCurl,
			[]string{forward, agent, strings.Replace(agent, "/istio-proxy", "/", 1), curl, strings.Replace(curl, "/istio-proxy", "/", 1)},
			1,
		},
		"neither": {Exec, &pods{execs: map[string]result{"pilot-agent": {err: errNoFile}, "curl": {err: errExit127}}}, "", "neither pilot-agent nor curl", "", []string{agent, curl}, 0},
		"Envoy does not answer": {
			Exec, &pods{execs: map[string]result{"pilot-agent": {words: "Error: connection refused\n", err: errExit1}}},
			"", "exit code 1: Error: connection refused", "",
			[]string{agent},
			0,
		},
		"an empty reply": {Exec, &pods{}, "", "", byAgent, []string{agent}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := New(test.pods, test.via)
			got, err := Read(t.Context(), a, "ns", "gw", "/stats", func(r io.Reader) (string, error) {
				b, err := io.ReadAll(r)
				return string(b), err
			})
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if got != test.want || a.How("ns", "gw") != test.how || len(a.Notes()) != test.notes {
				t.Errorf("%q by %q, notes %q; want %q by %q", got, a.How("ns", "gw"), a.Notes(), test.want, test.how)
			}
			if diff := cmp.Diff(test.asked, test.pods.asked); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestPorts: other ports are asked by the same ways; the agent is told which, and where it is too old or will not, curl asks.
func TestPorts(t *testing.T) {
	t.Parallel()
	const (
		agent = "exec ns/gw/istio-proxy pilot-agent request --debug-port 15020 GET stats/prometheus"
		curl  = "exec ns/gw/istio-proxy curl -s -S -f -g http://127.0.0.1:15020/stats/prometheus"
	)
	old := result{words: "Error: unknown flag: --debug-port\nUsage:\n  pilot-agent request\n", err: errExit1}
	for name, test := range map[string]struct {
		via   Via
		pods  *pods
		want  string
		err   string
		asked []string
	}{
		"forwarded":                  {Auto, &pods{}, "forwarded", "", []string{"forward ns/gw :15020/stats/prometheus"}},
		"forbidden":                  {Auto, &pods{forward: forbidden, execs: map[string]result{"pilot-agent": {out: "x"}}}, "x", "", []string{"forward ns/gw :15020/stats/prometheus", agent}},
		"exec":                       {Exec, &pods{execs: map[string]result{"pilot-agent": {out: "x"}}}, "x", "", []string{agent}},
		"an agent that has one port": {Exec, &pods{execs: map[string]result{"pilot-agent": old, "curl": {out: "y"}}}, "y", "", []string{agent, curl}},
		"a port that it will not ask": {Exec, &pods{execs: map[string]result{
			"pilot-agent": {words: "Error: debug port 15020 is not in allowed list [15000]\n", err: errExit1}, "curl": {out: "y"},
		}}, "y", "", []string{agent, curl}},
		"neither": {Exec, &pods{execs: map[string]result{"pilot-agent": old, "curl": {err: errNoFile}}}, "", "neither pilot-agent nor curl", []string{agent, curl}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadPort(t.Context(), New(test.pods, test.via), "ns", "gw", 15020, "/stats/prometheus", func(r io.Reader) (string, error) {
				b, err := io.ReadAll(r)
				return string(b), err
			})
			if got != test.want || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("%q, %v", got, err)
			}
			if diff := cmp.Diff(test.asked, test.pods.asked); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if _, err := New(struct{ Client }{&pods{}}, Auto).PortGet(t.Context(), "ns", "gw", 15020, "/x"); err == nil {
		t.Error("a client that cannot forward other ports does")
	}
}

// TestRemembers: what did not work for a pod is not tried again, and each namespace is noted once.
func TestRemembers(t *testing.T) {
	t.Parallel()
	p := &pods{forward: forbidden, execs: map[string]result{"pilot-agent": {err: errNoFile}, "curl": {out: "old"}}}
	a := New(p, Auto)
	for range 3 {
		if _, err := Read(t.Context(), a, "ns", "gw", "/stats", io.ReadAll); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{forward, agent, curl, curl, curl}, p.asked); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"no right to create pods/portforward in namespace ns: asked by exec"}, a.Notes()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	p := &pods{execs: map[string]result{"pilot-agent": {out: "hang"}}}
	a := New(p, Exec)
	body, err := a.EnvoyGet(t.Context(), "ns", "gw", "/stats")
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil { // ends the command, which would go on for ever
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err = Read(ctx, New(p, Exec), "ns", "gw", "/stats", func(r io.Reader) (int, error) {
		stop()
		n, err := io.Copy(io.Discard, r)
		return int(n), err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a reply that is given up: %v", err)
	}
}

// TestCutOff: a command that fails in the middle of its reply is no whole reply.
func TestCutOff(t *testing.T) {
	t.Parallel()
	p := &pods{execs: map[string]result{"pilot-agent": {out: "half|", words: "broken pipe\n", err: errExit1}}}
	_, err := Read(t.Context(), New(p, Exec), "ns", "gw", "/stats", io.ReadAll)
	if _, exited := errors.AsType[*kube.ExitError](err); !exited || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("%v", err)
	}
	parse := errors.New("no JSON")
	p = &pods{}
	_, err = Read(t.Context(), New(p, Auto), "ns", "gw", "/stats", func(io.Reader) (int, error) { return 0, parse })
	if !errors.Is(err, parse) {
		t.Errorf("%v", err)
	}
	if _, err := New(p, Auto).EnvoyGet(t.Context(), "ns", "gw", "stats"); err == nil {
		t.Error("a path that is none is taken")
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	var w tail
	for range 5000 {
		if _, err := w.Write([]byte("noise noise noise\n")); err != nil {
			t.Fatal(err)
		}
	}
	if w.Len() > maxWords {
		t.Errorf("%d bytes kept", w.Len())
	}
	if _, err := w.Write([]byte("the end\n\n")); err != nil || w.telling() != "the end" {
		t.Errorf("%q, %v", w.telling(), err)
	}
}
