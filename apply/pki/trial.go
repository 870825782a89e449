package pki

import (
	"crypto/x509/pkix"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// The names that the "Egress Gateways with TLS Origination" task gives its certificates.
const (
	trialCA                 = "example.com"
	trialCAOrganization     = "example Inc."
	trialClient             = "client.example.com"
	trialClientOrganization = "client organization"
	trialServerOrganization = "some organization"
)

// TrialPairs is all that one needs to try mutual TLS origination out: one authority and what it signed for both sides.
type TrialPairs struct {
	CA             CA
	Server, Client Pair
}

// Trial makes what the openssl steps of the "Egress Gateways with TLS Origination" task make: a CA, and a server's and a client's
// certificate signed by it. The server's is for the hosts, of which there must be one, as subject alternative names; the
// client's has one too, for servers that ask for it.
func Trial(hosts []string, from, until time.Time) (TrialPairs, error) {
	if len(hosts) == 0 {
		return TrialPairs{}, egress.Inputf("no host for the server's certificate; name at least one")
	}
	ca, err := newCA(pkix.Name{CommonName: trialCA, Organization: []string{trialCAOrganization}}, from, until)
	if err != nil {
		return TrialPairs{}, err
	}
	server, err := ca.Issue(Request{
		CommonName: hosts[0], Organization: trialServerOrganization, DNSNames: hosts, From: from, Until: until,
	})
	if err != nil {
		return TrialPairs{}, err
	}
	client, err := ca.Issue(Request{
		CommonName: trialClient, Organization: trialClientOrganization, DNSNames: []string{trialClient}, Client: true, From: from, Until: until,
	})
	return TrialPairs{CA: ca, Server: server, Client: client}, err
}
