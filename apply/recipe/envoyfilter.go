package recipe

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// filter collects what an EnvoyFilter has to do at the gateway.
type filter struct {
	behind []egress.Host // hosts whose chains lead to the second listener, which knows them
	inline []egress.Host // hosts whose chains get the SNI filter themselves
}

func (f *filter) empty() bool { return len(f.behind)+len(f.inline) == 0 }

// Names of Envoy's extensions.
const (
	tcpProxy     = "envoy.filters.network.tcp_proxy"
	sniForward   = "envoy.filters.network.sni_dynamic_forward_proxy"
	typeURL      = "type.googleapis.com/envoy.extensions."
	tcpProxyType = typeURL + "filters.network.tcp_proxy.v3.TcpProxy"
)

// accessLog is Istio's own text format since 1.9 (EnvoyTextLogFormat), so that the line of the second listener reads like its others.
const accessLog = `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ` +
	`%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% ` +
	`%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" ` +
	`"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% ` +
	"%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"

type object = map[string]any

// object is the EnvoyFilter, in the gateway's namespace and for its pods alone.
func (f *filter) object(d *draft) Object {
	var patches []any
	if len(f.behind) > 0 {
		patches = f.second(d)
	}
	for _, h := range f.inline {
		patches = append(patches, object{
			"applyTo": "NETWORK_FILTER", "match": d.chainOf(h),
			"patch": object{"operation": "INSERT_BEFORE", "value": forwarder(string(h)+"_dfp_dns_cache", d.gateway)},
		})
	}
	selector := object{}
	for k, v := range d.gateway.Selector {
		selector[k] = v
	}
	u := &unstructured.Unstructured{Object: object{
		"apiVersion": Group + "/v1alpha3", "kind": "EnvoyFilter", // never went beyond v1alpha3
		"spec": object{"workloadSelector": object{"labels": selector}, "configPatches": patches},
	}}
	meta := d.meta(d.gateway.Namespace, awayFromHome(d.set, d.gateway.Namespace))
	u.SetNamespace(meta.Namespace)
	u.SetName(meta.Name)
	u.SetLabels(meta.Labels)
	return u
}

// second adds the second listener with what leads to it and what it leads to. All names are the set's own: sets share a gateway.
func (f *filter) second(d *draft) []any {
	own := "_" + d.set.Namespace + "_" + d.set.Name
	listener, cluster, dynamic, cache := "sni_listener"+own, "sni_cluster"+own, "dynamic_forward_proxy_cluster"+own, "dynamic_forward_proxy_cache_config"+own
	names := make([]any, 0, len(f.behind))
	for _, h := range f.behind {
		names = append(names, string(h))
	}
	patches := []any{
		added("CLUSTER", object{
			"name": cluster,
			"load_assignment": object{"cluster_name": cluster, "endpoints": []any{object{"lb_endpoints": []any{object{"endpoint": object{
				"address": object{"envoy_internal_address": object{"server_listener_name": listener}},
			}}}}}},
		}),
		added("CLUSTER", object{
			"name": dynamic, "lb_policy": "CLUSTER_PROVIDED",
			"cluster_type": object{"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": object{
				"@type": typeURL + "clusters.dynamic_forward_proxy.v3.ClusterConfig", "dns_cache_config": dnsCache(cache, d.gateway),
			}},
		}),
		added("LISTENER", object{
			"name": listener, "internal_listener": object{},
			"listener_filters": []any{object{"name": "envoy.filters.listener.tls_inspector", "typed_config": object{
				"@type": typeURL + "filters.listener.tls_inspector.v3.TlsInspector",
			}}},
			// Connections that no chain takes have a line too, as Istio's own listeners write it.
			"access_log": []any{fileLog(object{"response_flag_filter": object{"flags": []any{"NR"}}})},
			"filter_chains": []any{object{
				"filter_chain_match": object{"server_names": names},
				"filters": []any{
					forwarder(cache, d.gateway),
					object{"name": tcpProxy, "typed_config": object{
						"@type": tcpProxyType, "stat_prefix": dynamic, "cluster": dynamic,
						"access_log": []any{fileLog(nil)},
					}},
				},
			}},
		}),
	}
	for _, h := range f.behind {
		patches = append(patches, object{
			"applyTo": "NETWORK_FILTER", "match": d.chainOf(h),
			"patch": object{"operation": "MERGE", "value": object{"name": tcpProxy, "typed_config": object{
				"@type": tcpProxyType, "stat_prefix": cluster, "cluster": cluster,
			}}},
		})
	}
	return patches
}

// fileLog writes lines of all connections, or of those that an access log filter admits.
func fileLog(admits object) object {
	log := object{"name": "envoy.access_loggers.file", "typed_config": object{
		"@type": typeURL + "access_loggers.file.v3.FileAccessLog", "path": "/dev/stdout",
		"log_format": object{"text_format_source": object{"inline_string": accessLog}},
	}}
	if admits != nil {
		log["filter"] = admits
	}
	return log
}

func added(to string, value object) object {
	return object{"applyTo": to, "match": object{"context": "GATEWAY"}, "patch": object{"operation": "ADD", "value": value}}
}

// chainOf finds the tcp proxy of the gateway's chain for a host, by the pod's own port: Envoy knows no Service ports (rule R42).
func (d *draft) chainOf(h egress.Host) object {
	target, _ := d.gateway.Target(tlsPort)
	return object{"context": "GATEWAY", "listener": object{
		"portNumber":  int64(target),
		"filterChain": object{"sni": string(h), "filter": object{"name": tcpProxy}},
	}}
}

// forwarder is the filter that finds the address of the host in the SNI. Filter and cluster share a DNS cache by its name, and
// Envoy refuses both where the settings differ in anything (rule R43).
func forwarder(cache string, gw mesh.Gateway) object {
	return object{"name": sniForward, "typed_config": object{
		"@type": typeURL + "filters.network.sni_dynamic_forward_proxy.v3.FilterConfig", "port_value": int64(tlsPort), "dns_cache_config": dnsCache(cache, gw),
	}}
}

func dnsCache(name string, gw mesh.Gateway) object {
	return object{"name": name, "dns_lookup_family": lookupFamily(gw)}
}

// lookupFamily is the one that istiod chooses for clusters of a proxy with the pods' addresses.
func lookupFamily(gw mesh.Gateway) string {
	v4, v6 := false, false
	for _, p := range gw.Pods {
		for _, ip := range append([]string{p.IP}, p.IPs...) {
			v6 = v6 || strings.Contains(ip, ":")
			v4 = v4 || strings.Contains(ip, ".")
		}
	}
	switch {
	case v4 && v6:
		return "ALL"
	case v6:
		return "V6_ONLY"
	default:
		return "V4_ONLY"
	}
}
