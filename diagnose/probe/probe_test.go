package probe

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Lines as a real mesh wrote them; NOW and AGENT stand for the request's own.
const (
	curlSays     = "200 10.244.0.10 50954 0.031\n"
	sidecarTLS   = `[NOW] "- - -" 0 - - - "-" 749 1559 6 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local 10.244.0.10:49240 10.96.0.83:443 10.244.0.10:50954 edition.cnn.com -` + "\n"
	another      = `[NOW] "- - -" 0 - - - "-" 749 1559 6 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.10:49244 10.96.0.83:443 10.244.0.10:50960 edition.cnn.com -` + "\n"
	gatewayTLS   = `[NOW] "- - -" 0 - - - "-" 749 1559 5 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:48214 10.244.0.4:8443 10.244.0.10:49240 edition.cnn.com -` + "\n"
	anothers     = `[NOW] "- - -" 0 - - - "-" 749 1559 5 - "-" "-" "-" "-" "10.96.0.83:443" outbound|443||edition.cnn.com 10.244.0.4:48216 10.244.0.4:8443 10.244.0.10:49250 edition.cnn.com -` + "\n"
	straightTLS  = `[NOW] "- - -" 0 - - - "-" 750 1561 4 - "-" "-" "-" "-" "10.96.0.83:443" PassthroughCluster 10.244.0.10:41112 10.96.0.83:443 10.244.0.10:50954 - -` + "\n"
	blackHole    = `[NOW] "- - -" 0 UH - - "-" 0 0 0 - "-" "-" "-" "-" "-" BlackHoleCluster - 10.96.0.83:443 10.244.0.10:50954 edition.cnn.com -` + "\n"
	toStranger   = `[NOW] "- - -" 0 - - - "-" 749 1559 6 - "-" "-" "-" "-" "10.244.0.9:8443" outbound|443||waypoint.shop.svc.cluster.local 10.244.0.10:49240 10.96.0.83:443 10.244.0.10:50954 edition.cnn.com -` + "\n"
	sidecarInner = `[NOW] "- - -" 0 - - - "-" 750 1561 11 - "-" "-" "-" "-" "10.244.0.4:8443" outbound|443|w|istio-egressgateway.istio-system.svc.cluster.local 10.244.0.10:58028 10.96.0.81:443 10.244.0.10:50954 edition.cnn.com -` + "\n"
	outerLine    = `[NOW] "- - -" 0 - - - "-" 750 1561 9 - "-" "-" "-" "-" "envoy://sni_listener/" sni_cluster envoy://internal_client_address/ 10.244.0.4:8443 10.244.0.10:58028 placeholder.wikipedia.org -` + "\n"
	innerLine    = `[NOW] "- - -" 0 - - - "-" 750 1561 8 - "-" "-" "-" "-" "10.96.0.81:443" dynamic_forward_proxy_cluster 10.244.0.4:48214 envoy://sni_listener/ envoy://internal_client_address/ edition.cnn.com -` + "\n"
	sidecarHTTP  = `[NOW] "GET / HTTP/1.1" 301 - via_upstream - "-" 0 169 3 2 "-" "AGENT" "aaaa" "edition.cnn.com" "10.244.0.4:8080" outbound|80|cnn|istio-egressgateway.istio-system.svc.cluster.local 10.244.0.10:49906 10.96.0.83:80 10.244.0.10:50954 - -` + "\n"
	gatewayHTTP  = `[NOW] "GET / HTTP/2" 301 - via_upstream - "-" 0 169 1 0 "10.244.0.10" "AGENT" "bbbb" "edition.cnn.com" "10.96.0.83:80" outbound|80||edition.cnn.com 10.244.0.4:43162 10.244.0.4:8080 10.244.0.10:49906 - -` + "\n"
	othersHTTP   = `[NOW] "GET / HTTP/2" 301 - via_upstream - "-" 0 169 1 0 "10.244.0.10" "curl/8" "cccc" "edition.cnn.com" "10.96.0.83:80" outbound|80||edition.cnn.com 10.244.0.4:43162 10.244.0.4:8080 10.244.0.10:49906 - -` + "\n"
	toGateway    = "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local"
)

var carried = map[string][2]string{
	"sleep-1-a": {toGateway + "=3 xds-grpc=1", toGateway + "=4 xds-grpc=2"},
	"egress-a":  {"outbound|443||edition.cnn.com=7", "outbound|443||edition.cnn.com=8"},
}

// TestRun: what is seen of a request decides, never its answer.
func TestRun(t *testing.T) {
	t.Parallel()
	curl := map[string]string{"curl": curlSays}
	cases := map[string]struct {
		w    *world
		url  string
		set  string
		want string // verdict proof hops leaves code
		why  string // part of reason or failure
	}{
		"both sides":                        {w: &world{programs: curl, sidecar: another + sidecarTLS, gateway: anothers + gatewayTLS}, want: "through connection sidecar,gateway 10.244.0.4:48214 0"},
		"straight":                          {w: &world{programs: curl, sidecar: straightTLS, gateway: anothers}, want: "round connection sidecar 10.244.0.10:41112 3"},
		"straight as declared":              {w: &world{programs: curl, sidecar: straightTLS}, set: "default/news", want: "direct connection sidecar 10.244.0.10:41112 0"},
		"two listeners":                     {w: &world{programs: curl, sidecar: sidecarInner, gateway: outerLine + innerLine}, want: "through connection sidecar,gateway,inner 10.244.0.4:48214 0"},
		"second listener silent":            {w: &world{programs: curl, sidecar: sidecarInner, gateway: outerLine}, want: "through connection sidecar,gateway 10.244.0.4 0", why: "second hop did not come"},
		"gateway saw only another":          {w: &world{programs: curl, sidecar: sidecarTLS, gateway: anothers}, want: "unknown - sidecar - 1", why: "has no line about this connection"},
		"sidecar's line, gateway's counts":  {w: &world{programs: curl, sidecar: sidecarTLS, gateway: anothers, clusters: carried}, want: "through counters sidecar - 0"},
		"nothing but an answer":             {w: &world{programs: curl}, want: "unknown - - - 1", why: "access log is off"},
		"lines of others only":              {w: &world{programs: curl, sidecar: another, gateway: gatewayTLS}, want: "unknown - - - 1", why: "no line about this connection"},
		"no log, but counters":              {w: &world{programs: curl, clusters: carried}, want: "through counters - - 0"},
		"logs forbidden":                    {w: &world{programs: curl, logs: errors.New("no right to get pods/log")}, want: "unknown - - - 1", why: "no right to get pods/log"},
		"nor counters":                      {w: &world{programs: curl, admin: errors.New("no way in")}, want: "unknown - - - 1", why: "no way in"},
		"stopped":                           {w: &world{programs: map[string]string{"curl": "curl: (35) reset\n"}, exit: &kube.ExitError{Code: 35}, sidecar: blackHole}, want: "unknown - sidecar - 3", why: "exit code 35: curl: (35) reset"},
		"another service":                   {w: &world{programs: curl, sidecar: toStranger, clusters: carried}, want: "unknown - sidecar - 1", why: "no egress gateway that is known"},
		"HTTP by its user agent":            {w: &world{programs: map[string]string{"wget": "  HTTP/1.1 301 Moved\n"}, sidecar: sidecarHTTP, gateway: othersHTTP + gatewayHTTP}, url: "http://edition.cnn.com", want: "through connection sidecar,gateway 10.244.0.4:43162 0"},
		"HTTP, and what wget followed":      {w: &world{programs: map[string]string{"wget": "  HTTP/1.1 301 Moved\n  HTTP/1.1 200 OK\n"}, sidecar: sidecarHTTP + sidecarTLS, gateway: gatewayHTTP + gatewayTLS}, url: "http://edition.cnn.com", want: "through connection sidecar,gateway 10.244.0.4:43162 0"},
		"HTTP from a port that was changed": {w: &world{programs: map[string]string{"curl": "301 10.244.0.10 40000 0.031\n"}, sidecar: sidecarHTTP, gateway: gatewayHTTP}, url: "http://edition.cnn.com", want: "through connection sidecar,gateway 10.244.0.4:43162 0"},
		"HTTP of another":                   {w: &world{programs: curl, sidecar: sidecarHTTP, gateway: othersHTTP}, url: "http://edition.cnn.com", want: "unknown - sidecar - 1", why: "no line about"},
		"TLS by name and time":              {w: &world{programs: map[string]string{"openssl": "HTTP/1.1 200 OK\n"}, sidecar: sidecarTLS, gateway: gatewayTLS}, want: "through connection sidecar,gateway 10.244.0.4:48214 0"},
		"TLS, one of two":                   {w: &world{programs: map[string]string{"openssl": "HTTP/1.1 200 OK\n"}, sidecar: sidecarTLS + another, gateway: gatewayTLS}, want: "unknown - sidecar - 1", why: "2 connections"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tt.w
			w.pods = []string{clientPod, strings.Replace(gatewayPod, `"name":"egress-a"`, `"name":"egress-a","labels":{"istio":"egressgateway"}`, 1)}
			url := tt.url
			if url == "" {
				url = "https://edition.cnn.com"
			}
			o := options(t, url)
			o.Direct = tt.set
			r, err := Run(t.Context(), w, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, inShort(r)); diff != "" {
				t.Errorf("(-want +got)\n%s\n%+v", diff, r)
			}
			if all := r.Reason + "; " + r.Failed; !strings.Contains(all, tt.why) {
				t.Errorf("says %q, want %q in it", all, tt.why)
			}
		})
	}
}

// inShort is what of a result decides.
func inShort(r Result) string {
	var hops []string
	for _, h := range r.Hops {
		hops = append(hops, h.Hop)
	}
	words := []string{string(r.Verdict), string(r.Proof), strings.Join(hops, ","), r.Leaves, string(rune('0' + r.ExitCode))}
	for i, s := range words {
		if s == "" {
			words[i] = "-"
		}
	}
	return strings.Join(words, " ")
}

// TestRunErrors: where nothing can be said at all.
func TestRunErrors(t *testing.T) {
	t.Parallel()
	forbidden := &kube.Error{Kind: kube.ErrForbidden, Doing: "run a command in pod sleep-1-a", Verb: "create", Resource: "pods/exec", Namespace: "default"}
	cases := map[string]struct {
		w    *world
		from string
		says string
	}{
		"no program":    {w: &world{pods: []string{clientPod}}, says: "container sleep of pod default/sleep-1-a has no curl, wget, openssl or python3"},
		"no right":      {w: &world{pods: []string{clientPod}, forbid: forbidden}, says: "the right to create pods/exec in namespace default is missing"},
		"broken":        {w: &world{pods: []string{clientPod}, forbid: errors.New("connection lost")}, says: "run curl in container sleep of pod default/sleep-1-a: connection lost"},
		"nobody":        {w: &world{pods: []string{lazyPod, barePod}}, says: "no pod with a sidecar is ready in namespace default"},
		"no such":       {w: &world{pods: []string{clientPod}}, from: "deploy/web", says: "there is no such pod or Deployment"},
		"no sidecar":    {w: &world{pods: []string{barePod}}, from: "deploy/plain", says: "deploy/plain has no sidecar"},
		"not ready":     {w: &world{pods: []string{lazyPod}}, from: "lazy-1-a", says: "no pod of lazy-1-a in namespace default is ready"},
		"not a gateway": {w: &world{pods: []string{strings.Replace(gatewayPod, "istio-system", "default", 1)}}, from: "pod/egress-a", says: "has no sidecar"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, "https://edition.cnn.com")
			o.From = tt.from
			_, err := Run(t.Context(), tt.w, o)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q in it", err, tt.says)
			}
		})
	}
}

// TestRunOutOfTime: a deadline that passes while lines are waited for is a time-out, not a verdict.
func TestRunOutOfTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	o := options(t, "https://edition.cnn.com")
	o.Settle = time.Hour
	_, err := Run(ctx, &world{pods: []string{clientPod}, programs: map[string]string{"curl": curlSays}}, o)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	w := &world{pods: []string{nativePod, clientPod, lazyPod, barePod}}
	for from, want := range map[string]string{"": "native/two", "deploy/sleep": "sleep-1-a/sleep", "deployment/sleep": "sleep-1-a/sleep", "pod/sleep-1-a": "sleep-1-a/sleep", "native": "native/two"} {
		got, err := find(t.Context(), w, "default", from, false)
		if err != nil || got.Name+"/"+got.Container != want {
			t.Errorf("--from=%q finds %+v, %v; want %s", from, got, err, want)
		}
	}
	for from, ok := range map[string]bool{"": true, "sleep": true, "deploy/sleep": true, "pod/x": true, "other/sleep": false, "deploy/": false, "deploy/a/b": false} {
		if err := CheckFrom(from); (err == nil) != ok {
			t.Errorf("--from=%q: %v", from, err)
		}
	}
}
