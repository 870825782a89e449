package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// mishap is what goes wrong with one write.
type mishap string

const (
	conflict  mishap = "409"
	busy      mishap = "429" // with Retry-After
	broken    mishap = "500"
	hang      mishap = "hang"
	cutBefore mishap = "cut before it is done"
	cutAfter  mishap = "cut after it is done"
)

var allFaults = []mishap{conflict, busy, broken, hang, cutBefore, cutAfter}

// faultProxy stands before the real API server and lets one write go wrong. It speaks plain HTTP on loopback and has the rights of the
// kubeconfig of the suite.
type faultProxy struct {
	*httptest.Server
	kubeconfig string // of who goes through it
	onward     *httputil.ReverseProxy

	mu    sync.Mutex
	at    int // the write that goes wrong, counted from one; 0 is none
	kind  mishap
	count int // writes since arm
}

// upstream is the API server of the suite's kubeconfig.
func upstream(t *testing.T) (*url.URL, http.RoundTripper) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return base, transport
}

func newFaultProxy(t *testing.T, base *url.URL, transport http.RoundTripper) *faultProxy {
	t.Helper()
	p := &faultProxy{onward: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(base) },
		Transport: transport,
	}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	p.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"faults","clusters":[{"name":"faults","cluster":{"server":%q}}],
"users":[{"name":"faults","user":{}}],"contexts":[{"name":"faults","context":{"cluster":"faults","user":"faults"}}]}`, p.URL)
	if err := os.WriteFile(p.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// arm has the n-th write from now on go wrong; none if n is 0.
func (p *faultProxy) arm(n int, kind mishap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.kind, p.count = n, kind, 0
}

// writes is how many writes there were since arm.
func (p *faultProxy) writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// next counts a request and says what becomes of it.
func (p *faultProxy) next(r *http.Request) mishap {
	if r.Method == http.MethodGet || r.URL.Query().Get("dryRun") != "" {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if p.count != p.at {
		return ""
	}
	return p.kind
}

// ServeHTTP passes a request on, or does not.
func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch p.next(r) {
	case conflict:
		status(w, http.StatusConflict, "Conflict", "the object has been modified; please apply your changes to the latest version and try again")
	case busy:
		w.Header().Set("Retry-After", "1")
		status(w, http.StatusTooManyRequests, "TooManyRequests", "the server has received too many requests and has asked us to try again later")
	case broken:
		status(w, http.StatusInternalServerError, "InternalError", "etcdserver: leader changed")
	case hang:
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // else nobody here sees the client go
			return
		}
		<-r.Context().Done()
	case cutBefore:
		panic(http.ErrAbortHandler)
	case cutAfter:
		p.onward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		p.onward.ServeHTTP(w, r)
	}
}

// status answers as the API server does when it says no.
func status(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":%q,"code":%d,"message":%q}`, reason, code, message)
}
