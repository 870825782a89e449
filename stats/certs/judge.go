package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Terms are what a pod's certificates are judged by.
type Terms struct {
	Now      time.Time
	Soon     time.Duration // what ends within this is told
	Identity string        // SPIFFE name that the gateway's own certificate is to have; empty: not known
	// Wants are the names by which others verify the gateway.
	Wants []Want
	// Namespace is the gateway's, where its Secrets are.
	Namespace string
}

// Want is a rule about how the gateway is verified.
type Want struct {
	By   string   // "DestinationRule default/egress-news"
	SANs []string // any one will do
}

// rotates is the part of its life after which Istio should long have replaced a workload's certificate: it does at half of it.
const rotates = 0.75

// Judge finds what is wrong with what a pod holds, and puts it there.
func (t Terms) Judge(held []Held) {
	var root *Held
	for i := range held {
		if h := &held[i]; (h.Name == RootSecret || h.Name == OldFiles()[1]) && len(h.Certificates) > 0 {
			root = h
		}
	}
	for i := range held {
		h := &held[i]
		switch h.State {
		case Warming:
			t.warming(h)
		case Missing:
			h.add(Fail, "apply the host's ServiceEntry, and the rule where the gateway sees it", "%s %s it, and nothing in the gateway's configuration asks for it",
				strings.Join(h.Users, ", "), verb(len(h.Users)))
		}
		if h.Rejected != "" {
			h.add(Fail, "", "Envoy refused the last update, and goes on with an older one: %s", h.Rejected)
		}
		if h.Name == SystemRoots {
			continue // those of the image: some have ended, none is ours
		}
		for j := range h.Certificates {
			t.times(h, &h.Certificates[j])
		}
		t.kind(h, root)
	}
}

func verb(n int) string {
	if n == 1 {
		return "wants"
	}
	return "want"
}

func (h *Held) add(level Level, fix, format string, args ...any) {
	h.Problems = append(h.Problems, Problem{Level: level, Says: fmt.Sprintf(format, args...), Fix: fix})
}

// Refused says that Envoy did not accept the certificate of a cluster's server by this CA, as its access log has it.
func (h *Held) Refused(cluster string, at time.Time, why string) {
	fix := "have it hold the CA that signed the server's certificate (EGR028)"
	if name, ours := strings.CutPrefix(h.Name, "kubernetes://"); ours {
		fix = "put the CA that signed the server's certificate into Secret " + strings.TrimSuffix(name, "-cacert") + " as ca.crt (EGR028)"
	}
	if strings.Contains(why, "SAN") {
		fix = "compare subjectAltNames of the rule with the names in the server's certificate (EGR034)"
	}
	_, reason, told := strings.Cut(why, "CERTIFICATE_VERIFY_FAILED:")
	if !told {
		reason = why
	}
	reason, _, _ = strings.Cut(reason, ":TLS_error_end")
	h.add(Fail, fix, "it does not accept the server of %s, at %s: %s", cluster, at.UTC().Format(time.RFC3339), strings.ReplaceAll(reason, "_", " "))
}

func (t Terms) warming(h *Held) {
	name, ours := strings.CutPrefix(h.Name, "kubernetes://")
	if !ours {
		h.add(Fail, "", "Envoy waits for it and istiod does not send it: istiod's log says why")
		return
	}
	h.add(Fail, "kubectl -n "+egress.ShellWord(t.Namespace)+" get secret "+egress.ShellWord(strings.TrimSuffix(name, "-cacert")),
		"Envoy waits for it and istiod does not send it: is the Secret in namespace %s, with tls.crt, tls.key and ca.crt, and may the gateway's service account read it?", t.Namespace)
}

// times holds a certificate to its validity.
func (t Terms) times(h *Held, c *Certificate) {
	left := c.Left(t.Now)
	switch own := h.isOwn(); {
	case left < 0:
		h.add(t.level(h), h.renew(), "%s ended %s ago, at %s", c.name(h), span(-left), c.Expires.Format(time.RFC3339))
	case t.Now.Before(c.From):
		h.add(t.level(h), "wait, or set the clocks right", "%s is not valid before %s", c.name(h), c.From.Format(time.RFC3339))
	case own && c == &h.Certificates[0] && float64(t.Now.Sub(c.From)) > rotates*float64(c.Expires.Sub(c.From)):
		h.add(Warn, "see the log of istiod and of the gateway's agent", "%s ends in %s and should have been replaced by now", c.name(h), span(left))
	case !own && left < t.Soon:
		h.add(Warn, h.renew(), "%s ends in %s, at %s", c.name(h), span(left), c.Expires.Format(time.RFC3339))
	}
}

// level of what is wrong with one certificate: among several CAs a bad one does no harm as long as another is good.
func (t Terms) level(h *Held) Level {
	if h.Type != Anchor {
		return Fail
	}
	for i := range h.Certificates {
		if c := &h.Certificates[i]; c.Left(t.Now) > 0 && !t.Now.Before(c.From) && (c.parsed == nil || c.signs()) {
			return Warn
		}
	}
	return Fail
}

// isOwn says whether it is the workload's certificate, which Istio replaces of itself.
func (h *Held) isOwn() bool { return h.Name == OwnSecret || h.Name == OldFiles()[0] }

// renew says how a new one comes to be there.
func (h *Held) renew() string {
	if name, ours := strings.CutPrefix(h.Name, "kubernetes://"); ours {
		return "put a new one into Secret " + strings.TrimSuffix(name, "-cacert")
	}
	if h.isOwn() {
		return "see the log of istiod and of the gateway's agent, then restart the gateway"
	}
	return ""
}

// name tells a certificate from the others of a secret.
func (c *Certificate) name(h *Held) string {
	switch {
	case len(h.Certificates) == 1:
		return "the certificate"
	case c.Subject != "":
		return "certificate " + c.Subject
	}
	return "certificate " + c.Serial
}

// kind holds a secret to what it is for.
func (t Terms) kind(h, root *Held) {
	if len(h.Certificates) == 0 {
		return
	}
	leaf := &h.Certificates[0]
	if h.isOwn() {
		t.identity(h, leaf)
		signedBy(h, root)
		return
	}
	if h.Type == Anchor {
		for i := range h.Certificates {
			if c := &h.Certificates[i]; c.parsed != nil && !c.signs() {
				h.add(t.level(h), "put the CA that signed the server's certificate into it, not the server's certificate", "%s is no CA: it cannot have signed a server's certificate", c.name(h))
			}
		}
		return
	}
	inOrder(h)
}

// signs says whether a certificate may sign others. Version 1 has no way to say so, and such roots are about.
func (c *Certificate) signs() bool {
	usage := c.parsed.KeyUsage == 0 || c.parsed.KeyUsage&x509.KeyUsageCertSign != 0
	return c.parsed.Version < 3 || c.CA && usage
}

// identity holds the gateway's own certificate to the names by which it is known.
func (t Terms) identity(h *Held, leaf *Certificate) {
	if t.Identity != "" && !slices.Contains(leaf.SANs, t.Identity) {
		h.add(Fail, "restart the gateway; if it stays so, compare trust domain and service account", "its name is %s, not %s", list(leaf.SANs), t.Identity)
	}
	for _, w := range t.Wants {
		if !slices.ContainsFunc(w.SANs, func(s string) bool { return slices.Contains(leaf.SANs, s) }) {
			h.add(Fail, "take subjectAltNames out of the rule: Istio fills in the right one", "%s accepts %s, and the gateway is %s: sidecars refuse it (EGR025)",
				w.By, list(w.SANs), list(leaf.SANs))
		}
	}
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// signedBy follows the gateway's own certificate to the mesh's CA, by signatures alone: whether each is in time is told apart.
func signedBy(h, root *Held) {
	if root == nil || h.Certificates[0].parsed == nil || root.Certificates[0].parsed == nil {
		return
	}
	signer := func(one *x509.Certificate, among []Certificate) *x509.Certificate {
		for _, c := range among {
			if one.CheckSignatureFrom(c.parsed) == nil {
				return c.parsed
			}
		}
		return nil
	}
	one := h.Certificates[0].parsed
	for range h.Certificates { // each step takes one up; a chain has no more
		if signer(one, root.Certificates) != nil {
			return
		}
		next := signer(one, h.Certificates[1:])
		if next == nil {
			break
		}
		one = next
	}
	h.add(Fail, "restart the gateway; if it stays so, istiod signs by another CA than it gives out",
		"no CA of %s signed it: %s says that %s did", root.Name, one.Subject, one.Issuer)
}

// inOrder sees that each certificate of a chain is signed by the next.
func inOrder(h *Held) {
	for i := 1; i < len(h.Certificates); i++ {
		one, next := h.Certificates[i-1].parsed, h.Certificates[i].parsed
		if one == nil || next == nil {
			continue
		}
		if err := one.CheckSignatureFrom(next); err != nil {
			h.add(Warn, "put the client's own certificate first, then who signed it, and so on", "%s did not sign %s, which stands before it", next.Subject, one.Subject)
		}
	}
}

// span says how long in the largest unit that tells enough.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}
