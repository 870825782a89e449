package recipe_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// envoy is what the patches of one EnvoyFilter add to a proxy, by the names that they give it, which mean nothing by themselves.
type envoy struct {
	clusters  map[string]map[string]any
	listeners map[string]map[string]any
	leads     map[string]string // where a cluster leads, by its name, as far as it was asked for
}

// envoyFilter says where the patches of a filter take hold and where they send connections then.
func (w world) envoyFilter(o object) {
	scope := "pods of namespace " + o.namespace
	if o.namespace == w.facts.RootNamespace {
		scope = "every gateway of the mesh"
	}
	if labels := takeMap(takeMap(o.spec, "workloadSelector"), "labels"); labels != nil {
		scope = "gateway " + w.selected(labels)
	}
	added := envoy{clusters: map[string]map[string]any{}, listeners: map[string]map[string]any{}, leads: map[string]string{}}
	var filters []map[string]any
	for _, p := range takeMaps(o.spec, "configPatches") {
		kind, patch := takeString(p, "applyTo"), takeMap(p, "patch")
		match := takeMap(p, "match")
		context := takeString(match, "context")
		op, value := takeString(patch, "operation"), takeMap(patch, "value")
		w.left("patch", patch)
		w.left(kind+" patch", p)
		switch {
		case kind == "CLUSTER" && op == "ADD" && context == "GATEWAY":
			added.clusters[takeString(value, "name")] = value
			w.left("match of cluster", match)
		case kind == "LISTENER" && op == "ADD" && context == "GATEWAY":
			added.listeners[takeString(value, "name")] = value
			w.left("match of listener", match)
		case kind == "NETWORK_FILTER" && context == "GATEWAY":
			filters = append(filters, map[string]any{"op": op, "match": match, "value": value})
		default:
			w.left("EnvoyFilter", map[string]any{kind: []any{context, op, match, value}})
		}
	}
	for _, f := range filters {
		w.networkFilter(scope, added, f)
	}
	w.left("EnvoyFilter", o.spec)
	for _, c := range added.clusters {
		w.left("cluster", c)
	}
	for _, l := range added.listeners {
		w.left("listener", l)
	}
}

// networkFilter says what one patched or inserted filter does to the connections of its chain.
func (w world) networkFilter(scope string, added envoy, f map[string]any) {
	op, _ := f["op"].(string)
	match, _ := f["match"].(map[string]any)
	value, _ := f["value"].(map[string]any)
	listener := takeMap(match, "listener")
	chain := takeMap(listener, "filterChain")
	filter := takeMap(chain, "filter")
	port, sni := takeString(listener, "portNumber"), takeString(chain, "sni")
	if port == "" {
		port = "any"
	}
	if sni == "" {
		sni = "any"
	}
	where := fmt.Sprintf("%s: %s %s of port %s, SNI %s", scope, op, takeString(filter, "name"), port, sni)
	for what, rest := range map[string]map[string]any{"filter": filter, "chain": chain, "listener": listener, "match": match} {
		w.left(what+" of network filter", rest)
	}
	config := takeMap(value, "typed_config", "typedConfig")
	take(value, "name") // Envoy goes by the type
	switch kind := typeOf(config); kind {
	case "TcpProxy":
		w.say("%s -> %s", where, w.cluster(added, config))
	case "FilterConfig":
		w.say("%s -> %s", where, w.byName(config))
	default:
		w.say("%s -> %s %v", where, kind, config)
	}
	w.left("network filter", value)
	w.left("network filter", config)
}

// typeOf is the last word of a typed configuration's @type.
func typeOf(config map[string]any) string {
	kind := takeString(config, "@type")
	return kind[strings.LastIndex(kind, ".")+1:]
}

// cluster follows a tcp_proxy to where its cluster leads.
func (w world) cluster(added envoy, proxy map[string]any) string {
	take(proxy, "stat_prefix")
	for _, log := range takeMaps(proxy, "access_log") {
		w.accessLog("connections to the host of the SNI", log)
	}
	name := takeString(proxy, "cluster")
	if _, known := added.leads[name]; !known {
		added.leads[name] = w.leadsTo(added, name)
	}
	return added.leads[name]
}

func (w world) leadsTo(added envoy, name string) string {
	c, ok := added.clusters[name]
	if !ok {
		return "cluster " + name
	}
	if dns := takeMap(takeMap(c, "cluster_type"), "typed_config"); dns != nil {
		take(dns, "@type")
		take(c, "lb_policy") // a forward proxy's cluster admits just one
		return "dynamic forward proxy, " + cache(takeMap(dns, "dns_cache_config"))
	}
	load := takeMap(c, "load_assignment")
	take(load, "cluster_name")
	for _, e := range takeMaps(load, "endpoints") {
		for _, lb := range takeMaps(e, "lb_endpoints") {
			address := takeMap(takeMap(lb, "endpoint"), "address")
			if l := takeString(takeMap(address, "envoy_internal_address"), "server_listener_name"); l != "" {
				return w.internal(added, l)
			}
			w.left("endpoint", address)
		}
	}
	return "cluster of nothing"
}

// internal describes what an internal listener does, chain by chain.
func (w world) internal(added envoy, name string) string {
	l, ok := added.listeners[name]
	if !ok {
		return "listener that does not exist"
	}
	take(l, "internal_listener")
	for _, log := range takeMaps(l, "access_log") {
		w.accessLog("all of the internal listener", log)
	}
	reads := ""
	for _, f := range takeMaps(l, "listener_filters") {
		take(f, "name")
		reads += typeOf(takeMap(f, "typed_config"))
		w.left("listener filter", f)
	}
	var chains []string
	for _, c := range takeMaps(l, "filter_chains") {
		match := takeMap(c, "filter_chain_match")
		names := takeStrings(match, "server_names")
		slices.Sort(names)
		w.left("match of filter chain", match)
		text := "SNI " + strings.Join(names, ",")
		for _, f := range takeMaps(c, "filters") {
			take(f, "name")
			config := takeMap(f, "typed_config")
			switch typeOf(config) {
			case "FilterConfig":
				text += ", " + w.byName(config)
			case "TcpProxy":
				text += ", " + w.cluster(added, config)
			}
			w.left("filter of internal listener", f)
			w.left("filter of internal listener", config)
		}
		w.left("filter chain", c)
		chains = append(chains, text)
	}
	slices.Sort(chains)
	return "internal listener reading " + reads + " {" + strings.Join(chains, "; ") + "}"
}

// byName is the filter that looks up the host of the SNI.
func (w world) byName(config map[string]any) string {
	return fmt.Sprintf("host of the SNI, port %s, %s", takeString(config, "port_value"), cache(takeMap(config, "dns_cache_config")))
}

// cache is a DNS cache without the name that ties its users together.
func cache(config map[string]any) string {
	c := maps.Clone(config)
	take(c, "name")
	var words []string
	for _, k := range slices.Sorted(maps.Keys(c)) {
		words = append(words, fmt.Sprintf("%s=%v", k, c[k]))
	}
	return "DNS " + strings.Join(words, " ")
}

// accessLog tells the format with single spaces: YAML folds it in several ways.
func (w world) accessLog(of string, log map[string]any) {
	if flags := takeStrings(takeMap(takeMap(log, "filter"), "response_flag_filter"), "flags"); len(flags) > 0 {
		of += " with " + strings.Join(flags, ",")
	}
	take(log, "name")
	config := takeMap(log, "typed_config")
	kind := typeOf(config)
	format := takeMap(config, "log_format")
	source := takeMap(format, "text_format_source")
	w.say("log of %s: %s %s: %s", of, kind, takeString(config, "path"), strings.Join(strings.Fields(takeString(source, "inline_string")), " "))
	w.left("access log", log)
	w.left("access log", config)
	w.left("access log", format)
	w.left("access log", source)
}
