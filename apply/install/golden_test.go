package install

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

var update = flag.Bool("update", false, "write the golden files")

// proxy is an SNI proxy as `gateway install --sni-proxy` makes it on a cluster of IPv4.
func proxy() *SNIProxy {
	return &SNIProxy{Resolver: Resolver{Address: netip.MustParseAddrPort("10.96.0.10:53"), IPv4Only: true}}
}

// full is a gateway with everything that can be said.
func full() Gateway {
	p := proxy()
	p.Image, p.Port, p.Domains = "example.com/nginx:1.29", 19443, []egress.Host{"*.wikipedia.org", "edition.cnn.com"}
	return Gateway{
		Ref: egress.GatewayRef{Namespace: "team", Service: "out"}, Revision: "canary", Min: 2, Max: 9,
		NodeSelector: map[string]string{"dedicated": "egress"},
		Tolerations:  []Toleration{{Key: "dedicated", Value: "egress", Effect: "NoSchedule"}, {Key: "spot"}},
		SNIProxy:     p,
	}
}

func all() map[string][]*unstructured.Unstructured {
	return map[string][]*unstructured.Unstructured{
		"gateway":           Gateway{Ref: DefaultGateway()}.Objects(),
		"gateway-sni-proxy": Gateway{Ref: DefaultGateway(), SNIProxy: proxy()}.Objects(),
		"gateway-full":      full().Objects(),
		"sleep":             Sleep{Namespace: "default"}.Objects(),
		"sleep-full":        Sleep{Namespace: "team", Image: "example.com/curl:8", Revision: "canary"}.Objects(),
		"mtls-server": MTLSServer{Namespace: DefaultServerNamespace, Certs: Certs{
			CA: []byte("the CA"), ServerCert: []byte("a certificate"), ServerKey: []byte("a key"), ClientCert: []byte("the client's"), ClientKey: []byte("and its key"),
		}}.Objects(),
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, objs := range all() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := recipe.YAML(objs)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
