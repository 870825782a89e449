package check

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asked is what people are told before a check runs: how grave its findings are, whether it is about paths without a gateway and
// about logs as well, and what has to be read for it. A check that could go without a source passes where it has seen nothing.
const asked = `
EGR001 fail: virtualservices
EGR002 fail direct: serviceentries
EGR003 fail direct: serviceentries
EGR004 warn direct: serviceentries
EGR005 fail direct: serviceentries
EGR006 warn logs
EGR007 fail: virtualservices
EGR008 fail direct: sidecars virtualservices serviceentries
EGR009 fail
EGR011 fail: gateways virtualservices
EGR012 fail: gateways virtualservices
EGR013 fail: gateways virtualservices
EGR014 fail: gateways virtualservices
EGR015 fail: gateways virtualservices
EGR016 fail: gateways virtualservices
EGR017 fail: gateways virtualservices destinationrules
EGR018 fail: gateways virtualservices
EGR019 fail: gateways virtualservices
EGR020 fail: gateways virtualservices
EGR021 warn: gateways virtualservices
EGR023 fail: destinationrules
EGR024 fail: gateways virtualservices destinationrules
EGR025 fail: destinationrules
EGR026 fail: services
EGR027 fail
EGR028 warn
EGR029 warn logs
EGR030 fail: destinationrules serviceentries
EGR031 fail
EGR032 fail direct: destinationrules
EGR033 warn direct: destinationrules
EGR034 warn: destinationrules
EGR035 fail: serviceentries
EGR036 fail direct: serviceentries
EGR037 fail: serviceentries
EGR038 fail
EGR039 warn: serviceentries
EGR041 warn
EGR042 fail
EGR043 warn
EGR044 warn
EGR045 fail direct: serviceentries
EGR046 fail: serviceentries
EGR047 fail: serviceentries
EGR048 fail
EGR050 fail: authorizationpolicies
EGR051 skip
EGR052 skip
EGR053 warn: serviceentries
EGR055 fail
EGR056 fail
EGR057 fail: sets
EGR058 unknown
EGR059 fail: namespaces networkpolicies workloads
EGR060 warn: namespaces networkpolicies workloads services
EGR061 fail: namespaces networkpolicies workloads sidecars mesh
EGR062 fail: namespaces networkpolicies workloads
EGR063 fail: namespaces networkpolicies workloads
EGR064 fail: serviceentries virtualservices namespaces networkpolicies workloads
EGR065 warn: namespaces nodes workloads mesh
EGR066 warn: gateways destinationrules
EGR067 warn: namespaces workloads authorizationpolicies
EGR068 fail: gateways destinationrules
EGR069 fail
EGR070 fail: virtualservices
`

// TestAsked holds every check to what it is known to ask for. A new check is written down here along with its reasons to be unknown.
func TestAsked(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("\n")
	for _, c := range Table() {
		b.WriteString(string(c.Code) + " " + string(c.Severity))
		if c.Direct {
			b.WriteString(" direct")
		}
		if c.Logs {
			b.WriteString(" logs")
		}
		for i, need := range c.Needs {
			b.WriteString(map[bool]string{true: ": ", false: " "}[i == 0] + string(need))
		}
		b.WriteString("\n")
	}
	if diff := cmp.Diff(asked, b.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
