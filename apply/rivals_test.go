package apply

import (
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

func entry(namespace, spec string) string {
	return "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: theirs, namespace: " + namespace + "}, spec: " + spec + "}"
}

func service(namespace, spec string) string {
	return "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: theirs, namespace: " + namespace + "}, spec: " + spec + "}"
}

const (
	tlsPort  = "{number: 443, name: tls, protocol: TLS}"
	httpPort = "{number: 80, name: http, protocol: HTTP}"
)

// TestRivals puts an object of somebody else there first. On a real Istio 1.31 a ServiceEntry without port 80 beside ours left
// `cluster outbound|80||edition.cnn.com, which does not exist`.
func TestRivals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		object, mode string
		want         string // part of the refusal; empty: not refused
	}{
		"entry that lacks the port": {
			object: entry("default", "{hosts: [edition.cnn.com], resolution: DNS, ports: ["+tlsPort+"]}"), mode: "http",
			want: "ServiceEntry default/theirs declares edition.cnn.com too, without port 80, and Istio goes by only one of two; take it away first, or give it HTTP on port 80 with resolution DNS",
		},
		"entry that lacks one of two ports": {
			object: entry("other", "{hosts: [a.com, Edition.cnn.com], resolution: DNS, ports: ["+tlsPort+"]}"), mode: "auto",
			want: "ServiceEntry other/theirs declares edition.cnn.com too, without port 80",
		},
		"entry with another protocol": {
			object: entry("default", "{hosts: [edition.cnn.com], resolution: DNS, ports: [{number: 443, name: http, protocol: HTTP}]}"), mode: "passthrough",
			want: "with protocol HTTP on port 443",
		},
		"entry that no gateway can resolve": {
			object: entry("default", "{hosts: [edition.cnn.com], ports: ["+tlsPort+"]}"), mode: "passthrough",
			want: "with resolution NONE, by which no gateway finds its address",
		},
		"entry that has all": {
			object: entry("default", "{hosts: [edition.cnn.com], resolution: DNS, ports: ["+tlsPort+", "+httpPort+"]}"), mode: "auto",
		},
		"entry with HTTPS for TLS": {
			object: entry("default", "{hosts: [edition.cnn.com], resolution: STATIC, ports: [{number: 443, name: https, protocol: HTTPS}]}"), mode: "passthrough",
		},
		"entry of another host": {
			object: entry("default", "{hosts: [www.cnn.com], resolution: DNS, ports: ["+tlsPort+"]}"), mode: "http",
		},
		"entry that keeps to its own namespace": {
			object: entry("other", `{hosts: [edition.cnn.com], exportTo: ["."], resolution: DNS, ports: [`+tlsPort+"]}"), mode: "http",
		},
		"entry shown to our namespace": {
			object: entry("other", `{hosts: [edition.cnn.com], exportTo: [default], resolution: DNS, ports: [`+tlsPort+"]}"), mode: "http",
			want: "ServiceEntry other/theirs",
		},
		"route for the mesh": {
			object: service("default", "{hosts: [edition.cnn.com], gateways: [mesh, g], tls: []}"), mode: "passthrough",
			want: "VirtualService default/theirs routes edition.cnn.com for the mesh already, and of two the older wins; take it away first, or leave that host out",
		},
		"route for the mesh by default": {
			object: service("other", "{hosts: [edition.cnn.com]}"), mode: "http",
			want: "VirtualService other/theirs routes edition.cnn.com for the mesh already",
		},
		"route of a gateway only": {
			object: service("default", "{hosts: [edition.cnn.com], gateways: [other/ingress]}"), mode: "http",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("kubectl", parse(t, tt.object))
			set := declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}, Mode: tt.mode})
			if tt.want == "" {
				w.execute(w.plan(set, Options{}))
				return
			}
			err := w.refusal(set, Options{})
			wantRefused(t, err, Clash, err.Error())
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
