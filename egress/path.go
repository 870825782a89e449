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
}

// String is HOST:PORT, the name of a path in reports.
func (p Path) String() string { return string(p.Host) + ":" + strconv.Itoa(p.Port) }

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
