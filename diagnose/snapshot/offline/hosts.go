package offline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// The form of /clusters?format=json, as far as package admin reads it.
type (
	statuses struct {
		Clusters []*status `json:"cluster_statuses"`
	}
	status struct {
		Name  string  `json:"name"`
		Hosts []*host `json:"host_statuses"`
	}
	host struct {
		Address  any    `json:"address"`
		Hostname string `json:"hostname,omitempty"`
		Health   struct {
			EDS     string `json:"eds_health_status,omitempty"`
			Active  bool   `json:"failed_active_health_check,omitempty"`
			Outlier bool   `json:"failed_outlier_check,omitempty"`
		} `json:"health_status"`
		Stats []counter `json:"stats,omitempty"`
	}
	counter struct {
		Name  string `json:"name"`
		Value uint64 `json:"value"`
	}
	socketAddress struct {
		Socket struct {
			Address string `json:"address"`
			Port    int    `json:"port_value"`
		} `json:"socket_address"`
	}
	internalAddress struct {
		Internal struct {
			Listener string `json:"server_listener_name"`
		} `json:"envoy_internal_address"`
	}
)

// hostsJSON takes the reply of /clusters in either of its forms: JSON, or the text that istioctl bug-report keeps, of which each
// line is CLUSTER::HOST::NAME::VALUE.
func hostsJSON(text []byte) (json.RawMessage, error) {
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] == '{' {
		if !json.Valid(t) {
			return nil, fmt.Errorf("clusters: no JSON")
		}
		return t, nil
	}
	var out statuses
	clusters, hosts := map[string]*status{}, map[string]*host{}
	for line := range bytes.Lines(text) {
		parts := strings.Split(strings.TrimSpace(string(line)), "::")
		if len(parts) < 4 {
			continue
		}
		// an IPv6 address has colons of its own: the name and the value stand at the end, the cluster at the beginning
		name, value := parts[len(parts)-2], parts[len(parts)-1]
		cluster, at := parts[0], strings.Join(parts[1:len(parts)-2], "::")
		address, ok := parseAddress(at)
		if !ok {
			continue // settings of the cluster, not of a host
		}
		if clusters[cluster] == nil {
			clusters[cluster] = &status{Name: cluster}
			out.Clusters = append(out.Clusters, clusters[cluster])
		}
		key := cluster + "::" + at
		if hosts[key] == nil {
			hosts[key] = &host{Address: address}
			clusters[cluster].Hosts = append(clusters[cluster].Hosts, hosts[key])
		}
		hosts[key].set(name, value)
	}
	return json.Marshal(out)
}

// parseAddress reads IP:PORT, [IP]:PORT and what Envoy calls an internal listener.
func parseAddress(at string) (any, bool) {
	if name, ok := strings.CutPrefix(at, "envoy://"); ok {
		var a internalAddress
		a.Internal.Listener, _, _ = strings.Cut(name, "/")
		return a, true
	}
	ip, port, err := net.SplitHostPort(at)
	if err != nil || net.ParseIP(ip) == nil {
		return nil, false
	}
	var a socketAddress
	a.Socket.Address = ip
	a.Socket.Port, err = strconv.Atoi(port)
	return a, err == nil
}

func (h *host) set(name, value string) {
	switch name {
	case "hostname":
		h.Hostname = value
	case "health_flags":
		h.Health.Active = strings.Contains(value, "failed_active_hc")
		h.Health.Outlier = strings.Contains(value, "failed_outlier_check")
		if strings.Contains(value, "failed_eds_health") {
			h.Health.EDS = "UNHEALTHY"
		}
	case "cx_total", "cx_active", "cx_connect_fail", "rq_total", "rq_error":
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			h.Stats = append(h.Stats, counter{name, n})
		}
	}
}

// wireEndpoints is one element of the list of endpoints in a dump.
type wireEndpoints struct {
	Config struct {
		Cluster string `json:"cluster_name"`
		Groups  []struct {
			Endpoints []struct {
				Endpoint struct {
					Address  json.RawMessage `json:"address"`
					Hostname string          `json:"hostname"`
				} `json:"endpoint"`
				Health string `json:"health_status"`
			} `json:"lb_endpoints"`
		} `json:"endpoints"`
	} `json:"endpoint_config"`
}

// summarize makes of a dump's own endpoints what /clusters would have said, but for the counters. A dump without endpoints
// (include_eds was not asked for) leaves none.
func (e *envoy) summarize() error {
	list := e.lists["dynamic_endpoint_configs"]
	delete(e.lists, "dynamic_endpoint_configs")
	if list == nil {
		return nil
	}
	var out statuses
	for _, raw := range list {
		var w wireEndpoints
		if err := json.Unmarshal(raw, &w); err != nil {
			return fmt.Errorf("dynamic_endpoint_configs: %w", err)
		}
		s := &status{Name: w.Config.Cluster}
		for _, g := range w.Config.Groups {
			for _, p := range g.Endpoints {
				if len(p.Endpoint.Address) == 0 {
					continue
				}
				h := &host{Address: p.Endpoint.Address, Hostname: p.Endpoint.Hostname}
				h.Health.EDS = p.Health
				s.Hosts = append(s.Hosts, h)
			}
		}
		if !slices.ContainsFunc(out.Clusters, func(c *status) bool { return c.Name == s.Name }) {
			out.Clusters = append(out.Clusters, s)
		}
	}
	var err error
	e.endpoints, err = json.Marshal(out)
	return err
}
