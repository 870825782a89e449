package snapshot

import (
	"reflect"
	"sync"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Sharer keeps one copy of what proxies have alike: the pods of a gateway have the same configuration, and a thousand hosts in each
// of a hundred take hundreds of megabytes otherwise. The zero value is ready; it may be used by several goroutines.
type Sharer struct {
	mu     sync.Mutex
	config map[key]any
	words  map[string]string
}

type key struct{ kind, name string }

// Share replaces what the proxy has like one that came before. Neither must be changed afterwards.
func (s *Sharer) Share(p *Proxy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config == nil {
		s.config, s.words = map[key]any{}, map[string]string{}
	}
	shareAll(s, "listeners", &p.Config.Listeners, func(l admin.Listener) string { return l.Name })
	shareAll(s, "routes", &p.Config.Routes, func(r admin.RouteConfig) string { return r.Name })
	shareAll(s, "clusters", &p.Config.Clusters, func(c admin.Cluster) string { return c.Name })
	for i := range p.Config.Listeners {
		// pods have addresses of their own in some listeners, and the chains alike in all
		l := &p.Config.Listeners[i]
		l.Chains = share(s, key{"chains", l.Name}, l.Chains)
	}
	p.Labels = share(s, key{"labels", ""}, p.Labels)
	for i := range p.Hosts {
		h := &p.Hosts[i]
		h.Cluster = s.word(h.Cluster)
		for j := range h.Hosts {
			one := &h.Hosts[j]
			one.Address, one.Hostname, one.Listener = s.word(one.Address), s.word(one.Hostname), s.word(one.Listener)
		}
	}
}

// shareAll shares a list as a whole, or else those of its members that are alike.
func shareAll[T any](s *Sharer, kind string, list *[]T, name func(T) string) {
	whole := share(s, key{kind, ""}, *list)
	if len(whole) > 0 && &whole[0] == &(*list)[0] { // it is not like the last one
		for i := range *list {
			(*list)[i] = share(s, key{kind, "of " + name((*list)[i])}, (*list)[i])
		}
	}
	*list = whole
}

// share gives the last one of that name if it is equal, and else remembers this one.
func share[T any](s *Sharer, k key, v T) T {
	if last, ok := s.config[k].(T); ok && reflect.DeepEqual(last, v) {
		return last
	}
	s.config[k] = v
	return v
}

func (s *Sharer) word(w string) string {
	if known, ok := s.words[w]; ok {
		return known
	}
	s.words[w] = w
	return w
}
