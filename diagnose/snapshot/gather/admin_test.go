package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// wire asks a real server in place of the proxies' admin port, as a forwarded port or a command in the pod would.
type wire struct {
	*cluster
	url  string
	exec bool // ports may not be forwarded
}

func (w *wire) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}

func (w *wire) EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error) {
	if w.exec {
		return nil, kube.ErrForbidden
	}
	answer, err := w.get(ctx, path)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.Join(&kube.AdminError{Path: path, Status: answer.StatusCode}, answer.Body.Close())
	}
	return answer.Body, nil
}

// Exec does as pilot-agent does: what it has got it prints, and it fails where the server says no or breaks off.
func (w *wire) Exec(ctx context.Context, _ kube.Pod, command []string, stdout, stderr io.Writer) error {
	answer, err := w.get(ctx, "/"+command[len(command)-1])
	if err != nil {
		fmt.Fprintln(stderr, "Error:", err)
		return errors.Join(&kube.ExitError{Code: 1}, ctx.Err())
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		fmt.Fprintln(stderr, "Error: received unsuccessful status code", answer.StatusCode)
		return &kube.ExitError{Code: 1}
	}
	if _, err := io.Copy(stdout, answer.Body); err != nil {
		return errors.Join(&kube.ExitError{Code: 1}, ctx.Err())
	}
	return nil
}

// odd servers answer everything but the question.
var odd = map[string]struct {
	answer  http.HandlerFunc
	forward snapshot.Kind // what becomes of it by a forwarded port
	exec    snapshot.Kind // and by a command in the pod
}{
	"slowly, and in time": {dripping(time.Millisecond, `{"configs":[]}`), snapshot.Read, snapshot.Read},
	"too slowly":          {dripping(time.Second, `{"configs":[]}`), snapshot.TimedOut, snapshot.TimedOut},
	"never":               {hanging, snapshot.TimedOut, snapshot.TimedOut},
	"begins, and hangs": {func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"configs":[`)
		flush(w)
		hanging(w, r)
	}, snapshot.TimedOut, snapshot.TimedOut},
	"half of what it announced": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, `{"configs":[`)
		flush(w)
		panic(http.ErrAbortHandler)
	}, snapshot.Cut, snapshot.Failed},
	"half, and ends in order": {saying(`{"configs":[{"name":"a"`), snapshot.Cut, snapshot.Cut},
	"nothing":                 {saying(""), snapshot.Cut, snapshot.Cut},
	"a page":                  {saying("<html><body>upstream connect error</body></html>"), snapshot.Failed, snapshot.Failed},
	"a list":                  {saying("[]"), snapshot.Failed, snapshot.Failed},
	"names of other types":    {saying(`{"configs":[{"name":7}],"cluster_statuses":7,"certificates":7}`), snapshot.Failed, snapshot.Failed},
	"no":                      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "invalid path", http.StatusNotFound) }, snapshot.Failed, snapshot.Failed},
	"that it is broken":       {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusInternalServerError) }, snapshot.Failed, snapshot.Failed},
}

func saying(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func hanging(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// dripping sends one byte at a time.
func dripping(each time.Duration, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(each)
		defer tick.Stop()
		for i := range len(text) {
			fmt.Fprint(w, text[i:i+1])
			flush(w)
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// TestOddAdminServer puts servers that answer slowly, half, wrongly or never in place of Envoy's admin port: each is told apart, none
// passes for a proxy that was read, nothing of it holds up the rest, and all is over within the deadline.
func TestOddAdminServer(t *testing.T) {
	t.Parallel()
	for name, tt := range odd {
		for _, byExec := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/exec=%t", name, byExec), func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(tt.answer)
				t.Cleanup(server.Close)
				want, deadline := tt.forward, 300*time.Millisecond
				if byExec {
					want = tt.exec
				}
				if want != snapshot.TimedOut {
					deadline = time.Minute // busy machines are no slow servers
				}
				start := time.Now()
				s, err := Gather(t.Context(), &wire{working(t), server.URL, byExec}, Options{Facts: facts(), Deadline: deadline})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("it took %s", took)
				}
				if len(s.Proxies) != 3 {
					t.Fatalf("%d proxies: one that does not answer is no pod that is gone", len(s.Proxies))
				}
				for i := range s.Proxies {
					if st := s.Proxies[i].State; st.Kind != want || (st.Detail == "") != (want == snapshot.Read) {
						t.Errorf("%s: %+v, want %s", s.Proxies[i].Name(), st, want)
					}
				}
				for source, st := range s.States {
					if st.Kind != snapshot.Read {
						t.Errorf("%s is %+v", source, st)
					}
				}
			})
		}
	}
}

// TestOddForOneQuestion: an Envoy that answers all but the last question is not read either, and the detail names the question.
func TestOddForOneQuestion(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/clusters", "/certs", "/config_dump?resource=dynamic_route_configs"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.RequestURI(), path) {
				fmt.Fprint(w, `{"certificates":[{"ca_cert":`)
				return
			}
			fmt.Fprint(w, "{}")
		}))
		t.Cleanup(server.Close)
		s, err := Gather(t.Context(), &wire{working(t), server.URL, false}, Options{Facts: facts()})
		if err != nil {
			t.Fatal(err)
		}
		if st := s.Proxies[0].State; st.Kind != snapshot.Cut || !strings.Contains(st.Detail, path) {
			t.Errorf("%s: %+v", path, st)
		}
	}
}
