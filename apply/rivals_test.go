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

// TestRivalsOfModes: what a host has to be is told by the set's own objects, whatever their mode.
func TestRivalsOfModes(t *testing.T) {
	t.Parallel()
	wild := func(resolution string) string {
		return entry("other", "{hosts: ['*.wikipedia.org'], resolution: "+resolution+", ports: ["+tlsPort+"]}")
	}
	const service443 = "{number: 443, name: https, protocol: HTTPS}"
	for name, tt := range map[string]struct {
		object string
		d      egress.Declaration
		want   string // part of the refusal; empty: not refused
	}{
		"wildcard as ours":               {wild("NONE"), egress.Declaration{Mode: "direct", Domains: []string{"*.wikipedia.org"}}, ""},
		"wildcard by the name asked for": {wild("DYNAMIC_DNS"), egress.Declaration{Mode: "direct", Domains: []string{"*.wikipedia.org"}}, ""},
		"wildcard with endpoints": {
			wild("DNS"),
			egress.Declaration{Mode: "direct", Domains: []string{"*.wikipedia.org"}},
			"declares *.wikipedia.org too, with resolution DNS, by which all names below it lead to the same servers, and Istio goes by only one of two; take it away first, or give it TLS on port 443 with resolution NONE",
		},
		"wildcard that a gateway cannot resolve": {
			wild("NONE"),
			egress.Declaration{Mode: "sni-dynamic", Domains: []string{"*.wikipedia.org"}, MTLS: "off"},
			"with resolution NONE, by which no gateway finds the addresses of names below it, and Istio goes by only one of two; take it away first, or give it TLS on port 443 with resolution DYNAMIC_DNS",
		},
		"wildcard that a gateway can resolve": {wild("DYNAMIC_DNS"), egress.Declaration{Mode: "sni-dynamic", Domains: []string{"*.wikipedia.org"}, MTLS: "off"}, ""},
		"wildcard with mTLS":                  {wild("NONE"), egress.Declaration{Mode: "sni-dynamic", Domains: []string{"*.wikipedia.org"}, MTLS: "on"}, ""},
		"wildcard of HTTP": {
			entry("default", "{hosts: ['*.wikipedia.org'], ports: ["+httpPort+"]}"),
			egress.Declaration{Mode: "common-host", CommonHost: "www.wikipedia.org", Domains: []string{"*.wikipedia.org"}},
			"declares *.wikipedia.org too, without port 443",
		},
		"common host that sidecars do not see": {
			entry("istio-system", "{hosts: [www.wikipedia.org], exportTo: ['.'], ports: ["+tlsPort+"]}"),
			egress.Declaration{Mode: "common-host", CommonHost: "www.wikipedia.org", Domains: []string{"*.wikipedia.org"}},
			"ServiceEntry istio-system/theirs declares www.wikipedia.org too, with resolution NONE",
		},
		"common host as ours": {
			entry("istio-system", "{hosts: [www.wikipedia.org], resolution: DNS, ports: ["+tlsPort+"]}"),
			egress.Declaration{Mode: "common-host", CommonHost: "www.wikipedia.org", Domains: []string{"*.wikipedia.org"}},
			"",
		},
		"port that TLS origination needs": {
			entry("default", "{hosts: [edition.cnn.com], resolution: DNS, ports: ["+httpPort+"]}"),
			egress.Declaration{Mode: "tls-origination", Domains: []string{"edition.cnn.com"}},
			"without port 443, and Istio goes by only one of two; take it away first, or give it HTTPS on port 443 with resolution DNS",
		},
		"ports that TLS origination needs": {
			entry("default", "{hosts: [edition.cnn.com], resolution: DNS, ports: ["+httpPort+", "+service443+"]}"), egress.Declaration{Mode: "tls-origination", Domains: []string{"edition.cnn.com"}}, "",
		},
		"entry of a Service of the cluster": {
			entry("default", "{hosts: [my-nginx.mesh-external.svc.cluster.local], ports: ["+httpPort+"]}"),
			egress.Declaration{Mode: "mtls-origination", Credential: "c", Domains: []string{"my-nginx.mesh-external.svc.cluster.local"}},
			"",
		},
		"route of a Service of the cluster": {
			service("mesh-external", "{hosts: [my-nginx]}"),
			egress.Declaration{Mode: "mtls-origination", Credential: "c", Domains: []string{"my-nginx.mesh-external.svc.cluster.local"}},
			"VirtualService mesh-external/theirs routes my-nginx.mesh-external.svc.cluster.local for the mesh already",
		},
		"route of a Service of that name elsewhere": {
			service("team", "{hosts: [my-nginx]}"), egress.Declaration{Mode: "mtls-origination", Credential: "c", Domains: []string{"my-nginx.mesh-external.svc.cluster.local"}}, "",
		},
		"route that our clients do not see": {
			service("istio-system", "{hosts: [edition.cnn.com], exportTo: ['.']}"), egress.Declaration{Mode: "http", Domains: []string{"edition.cnn.com"}}, "",
		},
		"gateway of others beside a direct set": {theirs(bySelector + same443), egress.Declaration{Mode: "direct", Domains: []string{"edition.cnn.com"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("kubectl", parse(t, tt.object))
			tt.d.Name = "news"
			set := declare(t, tt.d)
			if tt.want == "" {
				w.execute(w.plan(set, Options{}))
				w.execute(w.removal("default", "news"))
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

// TestAdoptedIsNoRival: an object that is taken over does not stand in the way of itself.
func TestAdoptedIsNoRival(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, text := range []string{
		entry("default", "{hosts: [edition.cnn.com], ports: ["+tlsPort+"]}"), service("default", "{hosts: [edition.cnn.com]}"), theirs(bySelector + same443),
	} {
		o := parse(t, text)
		o.SetNamespace("default")
		o.SetName("egress-news")
		if o.GetKind() == "VirtualService" {
			o.SetName("egress-news.edition.cnn.com")
		}
		w.put("kubectl", o)
	}
	w.execute(w.plan(declare(t, egress.Declaration{Name: "news", Domains: []string{"edition.cnn.com"}}), Options{Adopt: true, Force: true}))
}
