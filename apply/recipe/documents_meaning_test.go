package recipe_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// mesh namespace words of Istio.
const (
	allSidecars = "mesh"
	everybody   = "*"
)

// meaning is what Istio makes of a list of objects, as sorted sentences: who declares what, where sidecars and gateways send
// it, and with which TLS. Two lists with the same sentences work alike, however their objects, subsets and ports are called
// and on how many objects they are spread. What it does not understand becomes a sentence of its own, so that nothing is
// taken for equal because nobody looked at it.
type meaning struct {
	facts  mesh.Facts
	legacy bool   // Istio up to 1.4: a sidecar's ISTIO_MUTUAL stands for the files in /etc/certs
	home   string // namespace of the clients, and of objects that name none

	entries, gateways, rules, services, filters []object
	said                                        map[string]bool
}

// object is one Istio object, whose spec is used up while it is read.
type object struct {
	namespace, name string
	spec            map[string]any
}

// meaningOf reads Istio's objects among objs and ignores the ConfigMap and Secrets of a set: they carry no traffic.
func meaningOf(facts mesh.Facts, objs []*unstructured.Unstructured) []string {
	m := &meaning{facts: facts, legacy: !facts.Version.AtLeast(1, 5), home: "default", said: map[string]bool{}}
	for _, u := range objs {
		o := object{namespace: u.GetNamespace(), name: u.GetName()}
		if o.namespace == "" {
			o.namespace = m.home
		}
		o.spec, _ = u.DeepCopy().Object["spec"].(map[string]any)
		switch u.GetKind() {
		case "ServiceEntry":
			m.entries = append(m.entries, o)
		case "Gateway":
			m.gateways = append(m.gateways, o)
		case "DestinationRule":
			m.rules = append(m.rules, o)
		case "VirtualService":
			m.services = append(m.services, o)
		case "EnvoyFilter":
			m.filters = append(m.filters, o)
		case "Service":
			m.service(u)
		case "ConfigMap", "Secret":
		default:
			m.say("%s %s, which is no Istio traffic object", u.GetKind(), u.GetName())
		}
	}
	m.read()
	return slices.Sorted(maps.Keys(m.said))
}

// service takes the ports of a gateway from its own Service where that is among the objects.
func (m *meaning) service(u *unstructured.Unstructured) {
	m.facts.Gateways = slices.Clone(m.facts.Gateways)
	ports, _, _ := unstructured.NestedSlice(u.Object, "spec", "ports")
	for i, g := range m.facts.Gateways {
		if g.Namespace != u.GetNamespace() || g.Service != u.GetName() {
			continue
		}
		m.facts.Gateways[i].Ports = nil
		for _, p := range ports {
			port, _ := p.(map[string]any)
			number, _ := port["port"].(int64)
			target, _ := port["targetPort"].(int64)
			m.facts.Gateways[i].Ports = append(m.facts.Gateways[i].Ports, mesh.Port{Number: int(number), Target: int(target)})
		}
	}
}

// read goes from what others refer to towards what refers to it.
func (m *meaning) read() {
	entries, servers, rules := m.declarations(), m.servers(), m.readRules()
	w := world{meaning: m, entries: entries, servers: servers, rules: rules}
	for _, o := range m.services {
		w.routes(o)
	}
	w.catchAlls()
	for _, o := range m.filters {
		w.envoyFilter(o)
	}
}

func (m *meaning) say(format string, args ...any) {
	m.said[strings.TrimSpace(fmt.Sprintf(format, args...))] = true
}

// left says what nobody used of an object.
func (m *meaning) left(where string, rest map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		if empty(rest[key]) {
			continue
		}
		text, err := json.Marshal(rest[key])
		if err != nil {
			text = []byte(err.Error())
		}
		m.say("%s also says %s: %s", where, key, text)
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return false
}

// take uses up the first of keys that is there.
func take(from map[string]any, keys ...string) any {
	for _, k := range keys {
		if v, ok := from[k]; ok {
			delete(from, k)
			return v
		}
	}
	return nil
}

func takeString(from map[string]any, keys ...string) string {
	v := take(from, keys...)
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func takeMap(from map[string]any, keys ...string) map[string]any {
	m, _ := take(from, keys...).(map[string]any)
	return m
}

func takeMaps(from map[string]any, keys ...string) []map[string]any {
	list, _ := take(from, keys...).([]any)
	var all []map[string]any
	for _, it := range list {
		if m, ok := it.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func takeStrings(from map[string]any, keys ...string) []string {
	list, _ := take(from, keys...).([]any)
	var words []string
	for _, it := range list {
		words = append(words, fmt.Sprint(it))
	}
	return words
}

// entry is a host that a ServiceEntry declares.
type entry struct {
	host, namespace string
	called          string // the host, or the address of one that stands for a fixed address
	exportTo        []string
}

// declarations says what hosts the mesh knows. A host with a fixed address is told by its address, because its name is
// nothing that a client could ask for.
func (m *meaning) declarations() []entry {
	var entries []entry
	for _, o := range m.entries {
		spec := o.spec
		hosts, ports, exportTo := takeStrings(spec, "hosts"), takeMaps(spec, "ports"), m.takeExportTo(spec)
		resolution, location := takeString(spec, "resolution"), takeString(spec, "location")
		if resolution == "" {
			resolution = "NONE"
		}
		if location == "" {
			location = "MESH_EXTERNAL"
		}
		var addresses []string
		for _, e := range takeMaps(spec, "endpoints") {
			addresses = append(addresses, takeString(e, "address"))
			m.left("endpoint of ServiceEntry for "+strings.Join(hosts, " "), e)
		}
		seen := seenBy(exportTo, o.namespace)
		for _, h := range hosts {
			e := entry{host: h, namespace: o.namespace, called: h, exportTo: exportTo}
			if resolution == "STATIC" {
				e.called = strings.Join(addresses, ",")
			}
			entries = append(entries, e)
			for _, p := range ports {
				p := maps.Clone(p)
				number, protocol := takeString(p, "number"), takeString(p, "protocol")
				take(p, "name")
				m.say("declares %s:%s %s %s %s%s", e.called, number, sniProtocol(protocol), resolution, location, seen)
				m.left("port "+number+" of ServiceEntry for "+h, p)
			}
		}
		m.left("ServiceEntry for "+strings.Join(hosts, " "), spec)
	}
	return entries
}

// takeExportTo is who shall see an object. Istio 1.0 shows everything to everybody and does not know the field.
func (m *meaning) takeExportTo(spec map[string]any) []string {
	if !m.facts.Version.AtLeast(1, 1) {
		return nil
	}
	return takeStrings(spec, "exportTo")
}

// sniProtocol: to a ServiceEntry HTTPS is another word for TLS.
func sniProtocol(p string) string {
	if p == "HTTPS" {
		return "TLS"
	}
	return p
}

// seenBy is empty for what everybody sees, and else says who.
func seenBy(exportTo []string, namespace string) string {
	if len(exportTo) == 0 || slices.Contains(exportTo, everybody) {
		return ""
	}
	var who []string
	for _, e := range exportTo {
		if e == "." {
			e = namespace
		}
		who = append(who, e)
	}
	slices.Sort(who)
	return ", seen by " + strings.Join(slices.Compact(who), ",") + " only"
}

// visible says whether a proxy of a namespace sees an object of another.
func visible(exportTo []string, from, namespace string) bool {
	if len(exportTo) == 0 || slices.Contains(exportTo, everybody) || slices.Contains(exportTo, namespace) {
		return true
	}
	return slices.Contains(exportTo, ".") && from == namespace
}
