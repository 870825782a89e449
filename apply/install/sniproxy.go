package install

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// What the SNI proxy is where nothing else is said.
const (
	DefaultSNIProxyImage = "nginx"
	// DefaultSNIProxyPort is not the documents' 8443: there Envoy itself listens since Istio 1.6 (rule R47).
	DefaultSNIProxyPort = 18443
	sniProxyContainer   = "sni-proxy" // the documents' name, by which discovery finds it
	nginxUser           = int64(101)  // of the official image; any user will do that is not root
)

// SNIProxy is an nginx beside Envoy that forwards TLS by SNI (Istio task "Wildcard egress hosts" up to Istio 1.13).
//
// By itself it forwards to every name that Envoy hands it. Without Istio mTLS that is what the Gateway's hosts admit. With it
// the Gateway matches the outer SNI, which the sidecar writes, while nginx goes by the inner one, which the application
// writes: a compromised workload could name any host. Domains closes that. It is not filled from the sets of the mesh: a list
// that has to follow every enable would restart the gateway with each.
type SNIProxy struct {
	Image    string        // empty: DefaultSNIProxyImage
	Port     int           // on 127.0.0.1; 0: DefaultSNIProxyPort
	Resolver Resolver      // the cluster's DNS
	Domains  []egress.Host // what it forwards to; empty: everything
}

// Resolver is a DNS server that nginx asks.
type Resolver struct {
	Address netip.AddrPort
	// IPv4Only leaves out addresses that the pods cannot reach: nginx would try them in turn.
	IPv4Only bool
}

// ParseResolver reads IP or IP:PORT, IPv6 with port in brackets. The port is 53 if there is none. The error is an
// *egress.InputError.
func ParseResolver(s string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil && ip.Zone() == "" {
		return netip.AddrPortFrom(ip, 53), nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil || at.Port() == 0 || at.Addr().Zone() != "" {
		return netip.AddrPort{}, egress.Inputf("%q is not a resolver; give the address of a DNS server as IP or IP:PORT, for example 10.96.0.10", s)
	}
	return at, nil
}

// istioPorts are those on which Istio's own parts of a gateway pod listen.
var istioPorts = []int{
	int(targetHTTP), int(targetTLS),
	15000, 15001, 15004, 15006, 15008, 15009, 15020, 15021, 15053, 15090,
}

func (p SNIProxy) check() error {
	switch port := p.port(); {
	case port < 1024 || port > 65535:
		return egress.Inputf("--sni-proxy-port=%d: a port from 1024 to 65535 is needed, since the proxy does not run as root", port)
	case slices.Contains(istioPorts, port):
		return egress.Inputf("--sni-proxy-port=%d is used by Istio in the same pod; take another, for example %d", port, DefaultSNIProxyPort)
	}
	if p.Resolver.Address.IsValid() {
		return nil
	}
	return egress.Inputf("the SNI proxy needs a DNS server; name one with --resolver=IP")
}

func (p SNIProxy) port() int {
	if p.Port == 0 {
		return DefaultSNIProxyPort
	}
	return p.Port
}

func (p SNIProxy) image() string {
	if p.Image == "" {
		return DefaultSNIProxyImage
	}
	return p.Image
}

// Config is the nginx.conf. The official image has the stream module built in; Debian's has it as a module, and a file that
// loads it. The pattern names that file and, other than a plain name, is no error where there is none.
func (p SNIProxy) Config() string {
	name := "$ssl_preread_server_name"
	allowed := ""
	if len(p.Domains) > 0 {
		allowed = domainMap(p.Domains)
		name = "$forwarded"
	}
	options := ""
	if p.Resolver.IPv4Only {
		options = " ipv6=off"
	}
	return `include /usr/share/nginx/modules-available/mod-stream.con[f];
daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr;
worker_processes 2;
events {
  worker_connections 4096;
}
stream {
  log_format log_stream '$remote_addr [$time_local] $protocol [$ssl_preread_server_name]'
  '$status $bytes_sent $bytes_received $session_time';
  access_log /dev/stdout log_stream;
` + allowed + `  # tcp forward proxy by SNI
  server {
    resolver ` + p.Resolver.String() + options + `;
    listen 127.0.0.1:` + strconv.Itoa(p.port()) + `;
    proxy_pass ` + name + `:443;
    proxy_timeout 1h; # as long as Envoy keeps idle connections
    ssl_preread on;
  }
}
`
}

// domainMap gives an empty name for hosts that are not allowed; nginx then has no server to go to and closes the connection.
func domainMap(domains []egress.Host) string {
	var b strings.Builder
	b.WriteString("  map_hash_bucket_size 512; # a name of any length\n  map $ssl_preread_server_name $forwarded {\n    hostnames;\n    default \"\";\n")
	for _, d := range domains {
		b.WriteString("    " + string(d) + " $ssl_preread_server_name;\n")
	}
	b.WriteString("  }\n")
	return b.String()
}

// String is the address as nginx reads it.
func (r Resolver) String() string {
	if r.Address.Port() == 53 {
		if ip := r.Address.Addr(); ip.Is6() {
			return "[" + ip.String() + "]"
		}
		return r.Address.Addr().String()
	}
	return r.Address.String()
}

// container has no probe: nothing but the pod itself reaches 127.0.0.1, and an nginx that cannot listen ends, so that
// the pod is not ready. Discovery reads the port where it is declared.
func (p SNIProxy) container() fields {
	return fields{
		"name":                     sniProxyContainer,
		"image":                    p.image(),
		"imagePullPolicy":          "IfNotPresent",
		"terminationMessagePolicy": "FallbackToLogsOnError", // why nginx ended is in its log only
		"command":                  list{"nginx", "-e", "/dev/stderr", "-c", "/etc/nginx/nginx.conf"},
		"ports":                    list{fields{"name": "sni-proxy", "containerPort": int64(p.port()), "protocol": "TCP"}},
		"resources":                resources("50m", "32Mi", fields{"memory": "256Mi"}), // 4096 connections with two buffers of 16 KiB each
		"securityContext":          confined(nginxUser),
		"volumeMounts": list{
			fields{"name": "sni-proxy-config", "mountPath": "/etc/nginx", "readOnly": true},
			fields{"name": "sni-proxy-tmp", "mountPath": "/tmp"},
		},
	}
}

func (p SNIProxy) volumes(configMap string) list {
	return list{
		fields{"name": "sni-proxy-config", "configMap": fields{"name": configMap}},
		fields{"name": "sni-proxy-tmp", "emptyDir": fields{}},
	}
}
