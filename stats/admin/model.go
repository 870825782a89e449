package admin

// Config is what one or more replies of /config_dump said, reduced to what egress depends on.
type Config struct {
	Listeners []Listener    `json:"listeners,omitempty"`
	Routes    []RouteConfig `json:"routes,omitempty"`
	Clusters  []Cluster     `json:"clusters,omitempty"`
	Secrets   []Secret      `json:"secrets,omitempty"`
	Stats     *StatsMatcher `json:"stats,omitempty"` // nil: the reply had no bootstrap
}

// Listener is where connections come in. A listener that Envoy never accepted has a name and Rejected, and no more.
type Listener struct {
	Name           string        `json:"name"`
	Address        string        `json:"address,omitempty"` // IP; empty for an internal listener
	Port           int           `json:"port,omitempty"`
	More           []Address     `json:"more,omitempty"`     // further addresses (dual stack)
	Internal       bool          `json:"internal,omitempty"` // reached by name from a cluster of the same Envoy
	Unbound        bool          `json:"unbound,omitempty"`  // no socket of its own: reached from UseOriginalDst (bind_to_port: false)
	UseOriginalDst bool          `json:"useOriginalDst,omitempty"`
	Direction      string        `json:"direction,omitempty"` // OUTBOUND, INBOUND or empty
	Filters        []string      `json:"filters,omitempty"`   // names of the listener filters
	Chains         []FilterChain `json:"chains,omitempty"`
	Default        *FilterChain  `json:"default,omitempty"`
	// Matcher is set if chains are chosen by the newer filter_chain_matcher, which this package does not read.
	Matcher  bool       `json:"matcher,omitempty"`
	Warming  bool       `json:"warming,omitempty"`  // not in force yet
	Rejected *Rejection `json:"rejected,omitempty"` // the last update, which Envoy refused; what is in force is older
	Updated  string     `json:"updated,omitempty"`  // when Envoy took what is in force, RFC 3339
}

// Address is an IP and a port.
type Address struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
}

// Rejection is a configuration that Envoy refused (NACK).
type Rejection struct {
	Detail string `json:"detail"`
	At     string `json:"at,omitempty"` // RFC 3339
}

// FilterChain is what a listener does with connections that fit Match.
type FilterChain struct {
	Name    string   `json:"name,omitempty"`
	Match   Match    `json:"match,omitzero"`
	TLS     *TLS     `json:"tls,omitempty"` // nil: the chain takes the bytes as they come
	Filters []Filter `json:"filters,omitempty"`
	Origin  string   `json:"origin,omitempty"` // the Istio object that it comes from, such as "VirtualService default/cnn"
}

// Match holds the criteria of a filter chain. An empty field fits everything.
type Match struct {
	Port         int      `json:"port,omitempty"`     // destination port
	Prefixes     []string `json:"prefixes,omitempty"` // destination networks, as CIDR
	ServerNames  []string `json:"serverNames,omitempty"`
	Transport    string   `json:"transport,omitempty"` // tls or raw_buffer
	Applications []string `json:"applications,omitempty"`
	Sourced      bool     `json:"sourced,omitempty"` // there are criteria about the source as well, which are not kept
}

// Filter is a network filter. At most one of TCP and HTTP is set.
type Filter struct {
	Name string    `json:"name"`
	TCP  *TCPProxy `json:"tcp,omitempty"`
	HTTP *HTTP     `json:"http,omitempty"`
	SNI  *SNIProxy `json:"sni,omitempty"`
}

// TCPProxy sends a connection to a cluster.
type TCPProxy struct {
	Cluster   string     `json:"cluster,omitempty"`
	Weighted  []Weighted `json:"weighted,omitempty"`
	AccessLog bool       `json:"accessLog,omitempty"`
}

// Weighted is a share of the traffic.
type Weighted struct {
	Cluster string `json:"cluster"`
	Weight  int    `json:"weight"`
}

// HTTP is the HTTP connection manager. Its routes are named (Routes) or part of it (Inline).
type HTTP struct {
	Routes    string       `json:"routes,omitempty"`
	Inline    *RouteConfig `json:"inline,omitempty"`
	AccessLog bool         `json:"accessLog,omitempty"`
}

// SNIProxy is Envoy's SNI dynamic forward proxy: it looks up the server name that the client sent.
type SNIProxy struct {
	Port  int    `json:"port,omitempty"` // 443 if Envoy's default holds
	Cache string `json:"cache,omitempty"`
}

// TLSMode tells Istio's mutual TLS from others by the names of the secrets.
type TLSMode string

// The modes, in the words of Istio's DestinationRule.
const (
	IstioMutual TLSMode = "ISTIO_MUTUAL" // the workload's own certificate
	Mutual      TLSMode = "MUTUAL"       // another certificate
	Simple      TLSMode = "SIMPLE"       // no certificate on the client's side
)

// TLS is one side of TLS: on a filter chain that of the server, on a cluster that of the client.
type TLS struct {
	Mode        TLSMode  `json:"mode"`
	SNI         string   `json:"sni,omitempty"`         // sent by a cluster
	SANs        []string `json:"sans,omitempty"`        // accepted in the peer's certificate
	Certificate string   `json:"certificate,omitempty"` // name of the secret
	Validation  string   `json:"validation,omitempty"`  // name of the secret with the CA
	ALPN        []string `json:"alpn,omitempty"`
	Demands     bool     `json:"demands,omitempty"` // a certificate of the client
}

// RouteConfig is a table of virtual hosts.
type RouteConfig struct {
	Name    string        `json:"name"`
	Hosts   []VirtualHost `json:"hosts,omitempty"`
	Updated string        `json:"updated,omitempty"` // as for Listener
}

// VirtualHost is what becomes of requests for some names.
type VirtualHost struct {
	Name    string   `json:"name,omitempty"`
	Domains []string `json:"domains,omitempty"`
	Routes  []Route  `json:"routes,omitempty"`
}

// Route is one line of a virtual host; the first that fits is taken.
type Route struct {
	Name     string     `json:"name,omitempty"`
	Prefix   string     `json:"prefix,omitempty"` // "/" fits every path
	Path     string     `json:"path,omitempty"`
	Regex    string     `json:"regex,omitempty"`
	Headers  []Header   `json:"headers,omitempty"`
	Other    bool       `json:"other,omitempty"` // criteria that are not kept: query, CONNECT, gRPC and such
	Cluster  string     `json:"cluster,omitempty"`
	Weighted []Weighted `json:"weighted,omitempty"`
	Redirect bool       `json:"redirect,omitempty"`
	Status   int        `json:"status,omitempty"` // Envoy answers by itself
	Origin   string     `json:"origin,omitempty"`
}

// Header is a criterion about a header. With no other field set, the header has to be there.
type Header struct {
	Name   string `json:"name"`
	Exact  string `json:"exact,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Regex  string `json:"regex,omitempty"`
	Invert bool   `json:"invert,omitempty"`
}

// ClusterType is how a cluster finds its endpoints.
type ClusterType string

// The types that Istio makes.
const (
	EDS            ClusterType = "EDS"
	Static         ClusterType = "STATIC"
	StrictDNS      ClusterType = "STRICT_DNS"
	LogicalDNS     ClusterType = "LOGICAL_DNS"
	OriginalDst    ClusterType = "ORIGINAL_DST"
	DynamicForward ClusterType = "envoy.clusters.dynamic_forward_proxy"
)

// Cluster is where connections go out to.
type Cluster struct {
	Name      string      `json:"name"`
	Type      ClusterType `json:"type"`
	TLS       *TLS        `json:"tls,omitempty"`     // nil: plain
	AutoTLS   *TLS        `json:"autoTls,omitempty"` // for endpoints whose pods have a sidecar; others get TLS
	Endpoints []Endpoint  `json:"endpoints,omitempty"`
	Origin    string      `json:"origin,omitempty"` // the DestinationRule that shaped it
	Warming   bool        `json:"warming,omitempty"`
	Rejected  *Rejection  `json:"rejected,omitempty"`
	Updated   string      `json:"updated,omitempty"` // as for Listener
}

// Endpoint is an address as configured: a name for DNS clusters.
type Endpoint struct {
	Address  string `json:"address,omitempty"`
	Port     int    `json:"port,omitempty"`
	Listener string `json:"listener,omitempty"` // internal listener of the same Envoy
}

// Secret is a certificate or CA that Envoy gets from istiod, by name. Its content is never kept.
type Secret struct {
	Name    string `json:"name"`
	Warming bool   `json:"warming,omitempty"` // asked for and not there
	Updated string `json:"updated,omitempty"`
}

// HostCounters are the hosts of a cluster with their counters, from /clusters. Envoy always keeps these, whatever its
// stats matcher says; they are lost when DNS or a new pod changes the hosts.
type HostCounters struct {
	Cluster string       `json:"cluster"`
	Hosts   []HostStatus `json:"hosts,omitempty"`
}

// HostStatus is one host. The counters count from when Envoy first knew it.
type HostStatus struct {
	Address     string `json:"address,omitempty"`
	Port        int    `json:"port,omitempty"`
	Listener    string `json:"listener,omitempty"`
	Hostname    string `json:"hostname,omitempty"`
	Unhealthy   bool   `json:"unhealthy,omitempty"`
	Opened      uint64 `json:"opened,omitempty"`      // connections: cx_total
	Active      uint64 `json:"active,omitempty"`      // connections: cx_active
	Failed      uint64 `json:"failed,omitempty"`      // connections: cx_connect_fail
	Requests    uint64 `json:"requests,omitempty"`    // rq_total; counts connections as well where the cluster carries TCP
	RequestsBad uint64 `json:"requestsBad,omitempty"` // rq_error
}

// Certificate is one that Envoy holds, from /certs.
type Certificate struct {
	Path    string   `json:"path,omitempty"`
	Serial  string   `json:"serial,omitempty"`
	SANs    []string `json:"sans,omitempty"`
	From    string   `json:"from,omitempty"`    // RFC 3339
	Expires string   `json:"expires,omitempty"` // RFC 3339; days_until_expiration is 0 for a fresh one-day certificate
	CA      bool     `json:"ca,omitempty"`
}
