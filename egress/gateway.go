package egress

import "strings"

// GatewayRef names an egress gateway by its Service. The zero value means: to be discovered.
type GatewayRef struct {
	Namespace string
	Service   string
}

// ParseGatewayRef reads NAMESPACE/SERVICE. The error is an *InputError.
func ParseGatewayRef(s string) (GatewayRef, error) {
	ns, svc, ok := strings.Cut(s, "/")
	if !ok || !isLabel(ns) || !isLabel(svc) || len(ns) > maxLabel || len(svc) > maxLabel {
		return GatewayRef{}, Inputf("%q is not a gateway; name its Service as NAMESPACE/SERVICE, for example istio-system/istio-egressgateway", s)
	}
	return GatewayRef{Namespace: ns, Service: svc}, nil
}

// String is NAMESPACE/SERVICE, or empty for the zero value.
func (g GatewayRef) String() string {
	if g == (GatewayRef{}) {
		return ""
	}
	return g.Namespace + "/" + g.Service
}

// MarshalText writes what String gives.
func (g GatewayRef) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (g *GatewayRef) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*g = GatewayRef{}
		return nil
	}
	ref, err := ParseGatewayRef(string(b))
	if err != nil {
		return err
	}
	*g = ref
	return nil
}
