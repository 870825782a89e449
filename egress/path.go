package egress

import "strconv"

// Path is one host and port seen as hops from a workload to the outside.
type Path struct {
	Host     Host       `json:"host"`
	Port     int        `json:"port"` // the port that the application uses
	Protocol Protocol   `json:"protocol"`
	Set      string     `json:"set"`  // NAMESPACE/NAME, empty if made by hand
	Mode     Mode       `json:"mode"` // never Auto
	Gateway  GatewayRef `json:"gateway"`
	// Owner is set where other paths have the same host and port, each for clients and a gateway of its own: whose this one is, such
	// as "set NAMESPACE/NAME".
	Owner string `json:"owner,omitempty"`
}

// Name is HOST:PORT, whoever's it is.
func (p Path) Name() string { return string(p.Host) + ":" + strconv.Itoa(p.Port) }

// String is the name of the path in reports: HOST:PORT, and whose it is where there are several.
func (p Path) String() string {
	if p.Owner != "" {
		return p.Name() + " of " + p.Owner
	}
	return p.Name()
}

// Hop is a station of a path.
type Hop string

// The hops in the order in which traffic takes them.
const (
	AtWorkload Hop = "workload"
	AtSidecar  Hop = "sidecar"
	AtGateway  Hop = "gateway"
	AtSNIProxy Hop = "sni-proxy"
	AtOutside  Hop = "outside"
)
