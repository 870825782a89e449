package admin

import (
	"encoding/json"
	"fmt"
	"io"
)

type wireStatus struct {
	Name  string `json:"name"`
	Hosts []struct {
		Address  wireAddress `json:"address"`
		Hostname string      `json:"hostname"`
		Health   wireHealth  `json:"health_status"`
		Stats    []struct {
			Name  string `json:"name"`
			Value number `json:"value"`
		} `json:"stats"`
	} `json:"host_statuses"`
}

type wireHealth struct {
	EDS            string `json:"eds_health_status"`
	FailedActive   bool   `json:"failed_active_health_check"`
	FailedOutlier  bool   `json:"failed_outlier_check"`
	PendingRemoval bool   `json:"pending_dynamic_removal"`
}

func (w wireHealth) unhealthy() bool {
	return w.FailedActive || w.FailedOutlier || w.EDS == "UNHEALTHY" || w.EDS == "TIMEOUT" || w.EDS == "DRAINING"
}

// ReadHosts reads a reply of /clusters?format=json as a stream.
func ReadHosts(r io.Reader) ([]HostCounters, error) {
	var (
		out   []HostCounters
		piece []byte
	)
	s := newScanner(r)
	err := s.object(func(name string) error {
		if name != "cluster_statuses" {
			return s.skip()
		}
		return s.array(func() error {
			var err error
			if piece, err = s.value(piece[:0]); err != nil {
				return err
			}
			var w wireStatus
			if err := json.Unmarshal(piece, &w); err != nil {
				return err
			}
			out = append(out, w.model())
			return nil
		})
	})
	if err != nil {
		return out, fmt.Errorf("clusters: %w", err)
	}
	return out, nil
}

func (w *wireStatus) model() HostCounters {
	c := HostCounters{Cluster: w.Name}
	for _, h := range w.Hosts {
		host := HostStatus{
			Address: h.Address.Socket.Address, Port: h.Address.Socket.Port.int(), Listener: h.Address.Internal.Listener,
			Hostname: h.Hostname, Unhealthy: h.Health.unhealthy(),
		}
		for _, s := range h.Stats {
			switch s.Name {
			case "cx_total":
				host.Opened = uint64(s.Value)
			case "cx_active":
				host.Active = uint64(s.Value)
			case "cx_connect_fail":
				host.Failed = uint64(s.Value)
			case "rq_total":
				host.Requests = uint64(s.Value)
			case "rq_error":
				host.RequestsBad = uint64(s.Value)
			}
		}
		c.Hosts = append(c.Hosts, host)
	}
	return c
}
