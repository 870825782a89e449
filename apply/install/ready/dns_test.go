package ready

import (
	"errors"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

const (
	dns4 = `{"spec":{"selector":{"k8s-app":"kube-dns"},"clusterIP":"10.96.0.10","clusterIPs":["10.96.0.10"],"ports":[{"port":53,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}}`
	dns6 = `{"spec":{"clusterIP":"fd00::a","clusterIPs":["fd00::a"],"ports":[{"port":53,"protocol":"UDP"}]}}`
	dual = `{"spec":{"clusterIP":"10.96.0.10","clusterIPs":["10.96.0.10","fd00::a"],"ports":[{"port":53,"protocol":"UDP"}]}}`
)

func dnsPod(ips string) string {
	return `{"metadata":{"labels":{"k8s-app":"kube-dns"}},"status":{"podIPs":[` + ips + `]}}`
}

func TestResolver(t *testing.T) {
	t.Parallel()
	const usual = "services kube-system/kube-dns"
	for name, test := range map[string]struct {
		c    *fake
		want string
		only bool
	}{
		"as nearly everywhere": {&fake{objects: map[string]string{usual: dns4}}, "10.96.0.10", true},
		"pods of IPv4": {&fake{
			objects: map[string]string{usual: dns4}, lists: map[string][]string{"pods kube-system": {dnsPod(`{"ip":"10.244.0.2"}`)}},
		}, "10.96.0.10", true},
		"dual-stack pods behind one address": {&fake{
			objects: map[string]string{usual: dns4}, lists: map[string][]string{"pods kube-system": {dnsPod(`{"ip":"10.244.0.2"},{"ip":"fd00::2"}`)}},
		}, "10.96.0.10", false},
		"other pods do not count": {&fake{
			objects: map[string]string{usual: dns4}, lists: map[string][]string{"pods kube-system": {`{"status":{"podIPs":[{"ip":"fd00::2"}]}}`}},
		}, "10.96.0.10", true},
		"dual-stack Service": {&fake{objects: map[string]string{usual: dual}}, "10.96.0.10", false},
		"IPv6":               {&fake{objects: map[string]string{usual: dns6}}, "[fd00::a]", false},
		"pods are not shown": {&fake{objects: map[string]string{usual: dns4}, fail: map[string]error{"pods kube-system": kube.ErrForbidden}}, "10.96.0.10", true},
		"another name":       {&fake{objects: map[string]string{"services kube-system/coredns": dns4}}, "10.96.0.10", true},
		"OpenShift":          {&fake{objects: map[string]string{"services openshift-dns/dns-default": dns4}}, "10.96.0.10", true},
		"headless, then another": {&fake{objects: map[string]string{
			usual: `{"spec":{"clusterIP":"None"}}`, "services kube-system/coredns": dns4,
		}}, "10.96.0.10", true},
		"another port": {&fake{objects: map[string]string{usual: strings.ReplaceAll(dns4, `"port":53`, `"port":5353`)}}, "10.96.0.10:5353", true},
		"no ports":     {&fake{objects: map[string]string{usual: `{"spec":{"clusterIP":"10.96.0.10"}}`}}, "10.96.0.10", true},
	} {
		got, err := Resolver(t.Context(), test.c)
		if err != nil || got.String() != test.want || got.IPv4Only != test.only {
			t.Errorf("%s: %s, IPv4 only %t, %v; want %s, %t", name, got, got.IPv4Only, err, test.want, test.only)
		}
		if only, err := IPv4Only(t.Context(), test.c); err != nil || only != test.only {
			t.Errorf("%s: IPv4Only %t, %v", name, only, err)
		}
	}
}

// TestNoResolver: not there, not allowed and not answered are three things.
func TestNoResolver(t *testing.T) {
	t.Parallel()
	_, err := Resolver(t.Context(), &fake{})
	var input *egress.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "--resolver") {
		t.Errorf("absent: %v", err)
	}
	if only, err := IPv4Only(t.Context(), &fake{}); !only || err != nil {
		t.Errorf("absent: %t, %v", only, err)
	}
	for _, kind := range []error{kube.ErrForbidden, kube.ErrTimeout, kube.ErrUnreachable} {
		c := &fake{fail: map[string]error{"services kube-system/kube-dns": kind}}
		if _, err := Resolver(t.Context(), c); !errors.Is(err, kind) || !strings.Contains(err.Error(), "--resolver") || errors.As(err, &input) {
			t.Errorf("%v: %v", kind, err)
		}
		_, err := IPv4Only(t.Context(), c)
		if forbidden := errors.Is(kind, kube.ErrForbidden); forbidden != (err == nil) {
			t.Errorf("%v: %v", kind, err)
		}
	}
	c := &fake{objects: map[string]string{"services kube-system/kube-dns": dns4}, fail: map[string]error{"pods kube-system": kube.ErrTimeout}}
	if _, err := Resolver(t.Context(), c); !errors.Is(err, kube.ErrTimeout) {
		t.Errorf("pods timed out: %v", err)
	}
}
