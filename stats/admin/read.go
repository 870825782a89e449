package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// The lists in a configuration dump that are read, as ?resource= names them. Dynamic means: from istiod.
const (
	DynamicListeners       = "dynamic_listeners"
	StaticListeners        = "static_listeners"
	DynamicRoutes          = "dynamic_route_configs"
	StaticRoutes           = "static_route_configs"
	DynamicClusters        = "dynamic_active_clusters"
	DynamicWarmingClusters = "dynamic_warming_clusters"
	StaticClusters         = "static_clusters"
	DynamicSecrets         = "dynamic_active_secrets"
	DynamicWarmingSecrets  = "dynamic_warming_secrets"
	StaticSecrets          = "static_secrets"
)

// Read adds what a reply of /config_dump says. Resource is the list that was asked for by ?resource=, or empty for a whole
// dump or one with ?mask=bootstrap. The text is read as a stream; memory is bounded by the largest listener, cluster or route
// configuration in it. After an error the configuration holds what came before.
func (c *Config) Read(r io.Reader, resource string) error {
	if err := c.read(newScanner(r), resource); err != nil {
		return fmt.Errorf("configuration dump: %w", err)
	}
	return nil
}

func (c *Config) read(s *scanner, resource string) error {
	var piece []byte
	element := func(list string) func() error {
		return func() error {
			var err error
			if piece, err = s.value(piece[:0]); err != nil {
				return err
			}
			return c.element(list, piece)
		}
	}
	return s.object(func(name string) error {
		if name != "configs" {
			return s.skip()
		}
		if resource != "" {
			return s.array(element(resource))
		}
		return s.array(func() error { return c.whole(s, element) })
	})
}

// whole reads one of the messages of a dump that was not narrowed: lists of resources, or the bootstrap.
func (c *Config) whole(s *scanner, element func(list string) func() error) error {
	return s.object(func(name string) error {
		switch name {
		case DynamicListeners, StaticListeners, DynamicRoutes, StaticRoutes, DynamicClusters, DynamicWarmingClusters, StaticClusters,
			DynamicSecrets, DynamicWarmingSecrets, StaticSecrets:
			return s.array(element(name))
		case "bootstrap":
			raw, err := s.value(nil)
			if err != nil {
				return err
			}
			return c.bootstrap(raw)
		}
		return s.skip()
	})
}

func (c *Config) bootstrap(raw []byte) error {
	var w wireBootstrap
	if err := json.Unmarshal(raw, &w); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	c.Stats = w.Stats.Matcher.model()
	return nil
}

func (c *Config) element(list string, raw []byte) error {
	var w wireDump
	if err := json.Unmarshal(raw, &w); err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	warming := strings.HasPrefix(list, "dynamic_warming_")
	switch {
	case list == DynamicSecrets || list == DynamicWarmingSecrets || list == StaticSecrets:
		c.Secrets = append(c.Secrets, Secret{Name: w.Name, Warming: warming, Updated: w.LastUpdated})
	case w.RouteConfig != nil:
		routes := w.RouteConfig.model()
		routes.Updated = w.LastUpdated
		c.Routes = append(c.Routes, *routes)
	case w.Cluster != nil:
		cluster := w.Cluster.model()
		cluster.Warming, cluster.Rejected, cluster.Updated = warming, w.Error.model(), w.LastUpdated
		c.Clusters = append(c.Clusters, cluster)
	case list == DynamicListeners || list == StaticListeners:
		if l, ok := w.listener(); ok {
			c.Listeners = append(c.Listeners, l)
		}
	}
	return nil
}

// listener takes the state that is in force; a listener that is still warming takes no connection. One that only drains, as
// the gateway's do for 45 s after the last Gateway has gone, takes none either and is left out.
func (w *wireDump) listener() (Listener, bool) {
	l := Listener{Name: w.Name}
	switch {
	case w.Active != nil && w.Active.Listener != nil:
		l = w.Active.Listener.model()
		l.Updated = w.Active.Updated
	case w.Listener != nil:
		l = w.Listener.model()
		l.Updated = w.LastUpdated
	case w.Warming != nil && w.Warming.Listener != nil:
		l = w.Warming.Listener.model()
		l.Warming = true
	case w.Error == nil:
		return l, false
	}
	if l.Name == "" {
		l.Name = w.Name
	}
	l.Rejected = w.Error.model()
	return l, true
}

func (w *wireError) model() *Rejection {
	if w == nil || w.Details == "" {
		return nil
	}
	return &Rejection{Detail: w.Details, At: w.At}
}
