package check

import (
	"strings"
	"testing"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// TestNotRecognized: the identity, what the sidecar accepts, and the edit of the rule.
func TestNotRecognized(t *testing.T) {
	t.Parallel()
	const identity = "spiffe://cluster.local/ns/egress-posture/sa/posture-gw-service-account"
	f := finding(t, captured.Load(t, "EGR025"), "EGR025")
	if !strings.Contains(f.Message, "says "+identity) || !strings.Contains(f.Evidence[0], "accepts spiffe://cluster.local/ns/egress-posture/sa/posture-gw") {
		t.Errorf("%+v", f)
	}
	want := `kubectl -n egress-posture patch destinationrule egress-posture --type=json -p ` +
		`'[{"op":"replace","path":"/spec/subsets/0/trafficPolicy/tls/subjectAltNames","value":["` + identity + `"]}]'`
	if f.Fix != want || f.Object.Field != "spec.subsets[0].trafficPolicy.tls.subjectAltNames" {
		t.Errorf("%s\n%s", f.Object.Field, f.Fix)
	}
	for name, change := range map[string]func(*admin.TLS){
		"accepted":       func(tls *admin.TLS) { tls.SANs = append(tls.SANs, identity) },
		"all accepted":   func(tls *admin.TLS) { tls.SANs = nil },
		"not Istio's":    func(tls *admin.TLS) { tls.Mode = "" },
		"the right only": func(tls *admin.TLS) { tls.SANs = []string{identity} },
	} {
		s := captured.Load(t, "EGR025")
		for i := range s.Proxies {
			for j := range s.Proxies[i].Config.Clusters {
				if c := &s.Proxies[i].Config.Clusters[j]; s.Proxies[i].Role == snapshot.AtSidecar && c.TLS != nil {
					change(c.TLS)
				}
			}
		}
		_, all := diagnosis(s)
		if found := only(all, "EGR025"); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	s := captured.Load(t, "EGR025") // nothing was read of the gateway's certificates: nothing can be said of them
	for i := range s.Proxies {
		s.Proxies[i].Certs = nil
	}
	if _, all := diagnosis(s); len(only(all, "EGR025")) > 0 {
		t.Errorf("%v", said(all))
	}
}

// TestCertificateInvalid moves the clock of a capture, whose gateway has a certificate of one day.
func TestCertificateInvalid(t *testing.T) {
	t.Parallel()
	at := func(add time.Duration, change func(*snapshot.Proxy)) []Finding {
		s := captured.Load(t, "set-auto-mtls")
		s.Taken = s.Taken.Add(add)
		for i := range s.Proxies {
			if change != nil && s.Proxies[i].Role == snapshot.AtGateway {
				change(&s.Proxies[i])
			}
		}
		_, all := diagnosis(s)
		return only(all, "EGR027")
	}
	const day = 24 * time.Hour
	warming := func(p *snapshot.Proxy) {
		p.Certs = nil
		p.Config.Secrets = []admin.Secret{{Name: "default", Warming: true}}
	}
	for name, tt := range map[string]struct {
		found []Finding
		says  string // empty: nothing is found
	}{
		"in force":               {at(0, nil), ""},
		"an hour before its end": {at(22*time.Hour, nil), ""},
		"ended":                  {at(2*day, nil), "ended on "},
		"a clock that is wrong":  {at(-2*day, nil), "is not valid before "},
		"never issued":           {at(0, warming), "has not been issued"},
		"nothing read":           {at(2*day, func(p *snapshot.Proxy) { p.Certs = nil }), ""},
		"only the CA's is old": {at(0, func(p *snapshot.Proxy) {
			p.Certs = append([]admin.Certificate{{CA: true, SANs: []string{"spiffe://cluster.local"}, Expires: "2020-01-01T00:00:00Z"}}, p.Certs...)
		}), ""},
	} {
		if (len(tt.found) > 0) != (tt.says != "") {
			t.Errorf("%s: %+v", name, tt.found)
		}
		for _, f := range tt.found {
			if f.State != Fail || !strings.Contains(f.Message, tt.says) || !strings.Contains(f.Fix, "rollout restart deployment/istio-egressgateway") || f.Object.Kind != "Pod" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
	// without mutual TLS nobody looks at it
	s := captured.Load(t, "working-passthrough")
	s.Taken = s.Taken.Add(10 * day)
	if _, all := diagnosis(s); len(only(all, "EGR027")) > 0 {
		t.Errorf("%v", said(all))
	}
}
