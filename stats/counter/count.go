package counter

import (
	"cmp"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Source is where a count comes from.
type Source string

// The sources in the order in which they are asked.
const (
	FromStats   Source = "/stats"
	FromHosts   Source = "/clusters"
	FromMetrics Source = "istio_*"          // by the admin interface
	FromAgent   Source = "istio_* on 15020" // by Istio's agent
	FromEnvoy   Source = "istio_* on 15090" // by Envoy's own port for them
)

// Sources lists them.
func Sources() []Source { return []Source{FromStats, FromHosts, FromMetrics, FromAgent, FromEnvoy} }

// Why there is no count.
const (
	NotRecorded = "not recorded" // the proxy is told not to keep the statistic
	Unknown     = "unknown"      // what the proxy keeps could not be read
	NotApart    = "not per host" // the proxy keeps it for all hosts of the cluster together
)

// Count is a number, or why there is none. The zero value does not apply: what does not verify certificates has no failures of that.
type Count struct {
	Value  uint64 `json:"value"`
	Source Source `json:"source,omitempty"` // empty: there is no value
	Why    string `json:"-"`
}

// Known says whether there is a number.
func (c Count) Known() bool { return c.Source != "" }

// Counts are all that is counted of one destination at one proxy.
type Counts struct {
	Opened    Count // connections
	Active    Count // connections, now
	Failed    Count // connections that could not be made
	Requests  Count // does not apply to TLS that is passed through: no proxy sees requests there
	TLSFailed Count // connections whose peer's certificate was refused; does not apply where the proxy begins no TLS
	DNSFailed Count // look-ups that found no address; does not apply without a dynamic forward proxy
	Sent      Count // bytes
	Received  Count // bytes
}

// Proxy is what one proxy told. What could not be read is nil.
type Proxy struct {
	Stats   *Stats
	Hosts   []admin.HostCounters
	NoHosts bool // /clusters could not be read
	Matcher *admin.StatsMatcher
	Metrics *Metrics

	keeps func(name string) bool // Matcher, made ready when it is first asked
}

// Destination is what is counted at a proxy.
type Destination struct {
	Cluster string
	// Hostname narrows a cluster that serves many hosts, as that of a dynamic forward proxy, to one of them; empty: the whole cluster.
	Hostname string
	// Service is the host as Istio's metrics name it.
	Service string
	HTTP    bool   // requests can be seen
	TLS     bool   // the proxy begins TLS
	Lookup  bool   // the proxy looks the host up itself when it is asked for
	Cache   string // name of the DNS cache of the look-up, if known
}

// Count puts together what the sources say of a destination. It is not safe for use by more than one goroutine.
func (p *Proxy) Count(d Destination) Counts {
	hosts, known := p.hosts(d)
	stats := p.Stats.Cluster(d.Cluster)
	if d.Hostname != "" {
		stats = nil // they count all hosts of the cluster together
	}
	metric := p.Metrics.Destination(d.Service)
	one := counting{p: p, d: d, stats: stats}
	c := Counts{
		Opened: one.of(Opened, hosts.Opened, known),
		Active: one.of(Active, hosts.Active, known),
		Failed: one.of(Failed, hosts.Failed, known),
	}
	if d.HTTP {
		c.Requests = one.of(Requests, hosts.Requests, known)
	}
	if d.TLS {
		c.TLSFailed = one.sum(p.Stats.Cluster(d.Cluster), ofCluster+d.Cluster, verifications)
	}
	if d.Lookup {
		c.DNSFailed = one.lookups()
	}
	c.Sent, c.Received = one.of(Sent, 0, false), one.of(Received, 0, false)
	metric.fill(&c, d)
	return c
}

// hosts sums the counters of a cluster's hosts, or of one of them by name.
func (p *Proxy) hosts(d Destination) (sum admin.HostStatus, known bool) {
	for _, c := range p.Hosts {
		if c.Cluster != d.Cluster {
			continue
		}
		for _, h := range c.Hosts {
			if d.Hostname != "" && HostOf(h) != d.Hostname {
				continue
			}
			sum.Opened += h.Opened
			sum.Active += h.Active
			sum.Failed += h.Failed
			sum.Requests += h.Requests
		}
	}
	return sum, !p.NoHosts
}

// HostOf is the host name of a host that a proxy looked up itself; dynamic forward proxies put the port after it.
func HostOf(h admin.HostStatus) string {
	name, _, _ := strings.Cut(h.Hostname, ":")
	return strings.ToLower(name)
}

// Looked gives the names that a cluster has looked up and that the host covers, in the proxy's order.
func (p *Proxy) Looked(cluster string, host egress.Host) []string {
	var names []string
	for _, c := range p.Hosts {
		if c.Cluster != cluster {
			continue
		}
		for _, h := range c.Hosts {
			name := HostOf(h)
			if parsed, err := egress.ParseHost(name); err == nil && (parsed == host || host.Covers(parsed)) {
				names = append(names, name)
			}
		}
	}
	return names
}

// counting finds one count after the other.
type counting struct {
	p     *Proxy
	d     Destination
	stats *Counters
}

// of is a statistic of the cluster, or else what its hosts count.
func (c counting) of(s Stat, hosts uint64, known bool) Count {
	if n, ok := c.stats.Get(s); ok {
		return Count{Value: n, Source: FromStats}
	}
	if known {
		return Count{Value: hosts, Source: FromHosts}
	}
	if c.d.Hostname != "" {
		return Count{Why: NotApart}
	}
	return c.absent(ofCluster+c.d.Cluster, []Stat{s})
}

// sum is the sum of statistics that are told apart by a cause.
func (c counting) sum(of *Counters, name string, stats []Stat) Count {
	var sum uint64
	told := false
	for _, s := range stats {
		n, ok := of.Get(s)
		sum += n
		told = told || ok
	}
	if told {
		return Count{Value: sum, Source: FromStats}
	}
	return c.absent(name, stats)
}

// absent says what it means that a proxy does not tell a statistic: that it does not keep it or, if it would, that there was nothing to
// count. Since Istio 1.24 the statistics of a cluster come into being with its first connection.
func (c counting) absent(name string, stats []Stat) Count {
	switch {
	case c.p.Matcher == nil || c.p.Stats == nil:
		return Count{Why: Unknown}
	case c.p.records(name, stats):
		return Count{Source: FromStats}
	}
	return Count{Why: NotRecorded}
}

// records says whether the proxy would keep statistics of a cluster or cache, by either form of its name.
func (p *Proxy) records(name string, stats []Stat) bool {
	if p.keeps == nil {
		p.keeps = p.Matcher.Compile()
	}
	name = strings.ReplaceAll(name, ":", "_")
	for _, s := range stats {
		if !p.keeps(name+";."+s.String()) && !p.keeps(name+"."+s.String()) {
			return false
		}
	}
	return true
}

// lookups are those of the DNS cache that the destination is looked up in, or of the only one there is.
func (c counting) lookups() Count {
	name := c.d.Cache
	of := c.p.Stats.Cache(name)
	if name == "" && c.p.Stats != nil && len(c.p.Stats.caches) == 1 {
		for only := range c.p.Stats.caches {
			name, of = only, c.p.Stats.caches[only]
		}
	}
	return c.sum(of, ofCache+name, lookups)
}

// fill puts in what only Istio's metrics tell.
func (m *Metric) fill(c *Counts, d Destination) {
	if m == nil || d.Hostname != "" && d.Hostname != d.Service {
		return
	}
	put := func(into *Count, n uint64) {
		if !into.Known() {
			*into = Count{Value: n, Source: cmp.Or(m.from, FromMetrics)}
		}
	}
	if m.tcp {
		put(&c.Opened, m.Opened)
		put(&c.Active, m.Opened-min(m.Opened, m.Closed))
		put(&c.Sent, m.Sent)
		put(&c.Received, m.Received)
	}
	if m.http && d.HTTP {
		put(&c.Requests, m.Requests)
	}
}

// Recording says whether a proxy keeps all that Counts can tell: what Patterns ask for.
func Recording(m *admin.StatsMatcher) bool {
	p := Proxy{Matcher: m}
	cluster := append([]Stat{Opened, Active, Failed, Requests, Sent, Received}, verifications...)
	return p.records(ofCluster+"outbound|443||edition.cnn.com", cluster) && p.records(ofCache+"dynamic_forward_proxy_cache_config", lookups)
}
