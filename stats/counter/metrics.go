package counter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// MetricsPath asks a proxy's admin interface for Istio's own metrics. MetricsPortPath asks the ports of the pod that are made for
// scraping: that of Istio's agent, which adds its own and the application's, and that of Envoy itself.
const (
	MetricsPath     = "/stats/prometheus?filter=istio_"
	MetricsPortPath = "/stats/prometheus"
)

// MetricsPort is one of these ports.
type MetricsPort struct {
	Port   int
	Source Source
}

// MetricsPorts lists them in the order in which they are asked.
func MetricsPorts() []MetricsPort { return []MetricsPort{{15020, FromAgent}, {15090, FromEnvoy}} }

// Metric is what Istio's metrics say of one destination, summed over all other labels.
type Metric struct {
	Opened, Closed, Sent, Received, Requests uint64
	tcp, http                                bool   // something of the kind was there
	from                                     Source // empty: FromMetrics
}

// Metrics is what one reply in Prometheus' text form said, by destination service.
type Metrics struct {
	destinations map[string]*Metric
}

// Any says whether there is a metric of any destination.
func (m *Metrics) Any() bool { return m != nil && len(m.destinations) > 0 }

// From names the source that the metrics were read from, where it is not the admin interface.
func (m *Metrics) From(source Source) {
	for _, d := range m.destinations {
		d.from = source
	}
}

// Destination gives the metrics of a host; nil if there are none.
func (m *Metrics) Destination(host string) *Metric {
	if m == nil {
		return nil
	}
	return m.destinations[strings.ToLower(host)]
}

// ReadMetrics reads a reply of /stats/prometheus: Istio's standard metrics of TCP and HTTP, as the side reports that sends. Others are
// passed over. A line that should be one of these and cannot be read is an error.
func ReadMetrics(r io.Reader) (*Metrics, error) {
	m := &Metrics{destinations: map[string]*Metric{}}
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if err := skipLine(in); err != nil {
				return nil, err
			}
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("metrics: %w", err)
		case len(line) == 0:
			return m, nil
		}
		if err := m.take(strings.TrimSpace(string(line))); err != nil {
			return nil, err
		}
	}
}

func (m *Metrics) take(line string) error {
	name, rest, ok := strings.Cut(line, "{")
	if !ok || !strings.HasPrefix(name, "istio_") {
		return nil
	}
	var field func(*Metric) *uint64
	switch name {
	case "istio_tcp_connections_opened_total":
		field = func(d *Metric) *uint64 { return &d.Opened }
	case "istio_tcp_connections_closed_total":
		field = func(d *Metric) *uint64 { return &d.Closed }
	case "istio_tcp_sent_bytes_total": // by the server: what came back
		field = func(d *Metric) *uint64 { return &d.Received }
	case "istio_tcp_received_bytes_total":
		field = func(d *Metric) *uint64 { return &d.Sent }
	case "istio_requests_total":
		field = func(d *Metric) *uint64 { return &d.Requests }
	default:
		return nil
	}
	labels, value, err := labelled(rest)
	if err != nil {
		return fmt.Errorf("metrics: %s: %w", name, err)
	}
	host := strings.ToLower(labels["destination_service"])
	if labels["reporter"] == "destination" || host == "" {
		return nil
	}
	d := m.destinations[host]
	if d == nil {
		d = &Metric{}
		m.destinations[host] = d
	}
	*field(d) += value
	d.http = d.http || name == "istio_requests_total"
	d.tcp = d.tcp || name != "istio_requests_total"
	return nil
}

// labelled reads what follows the { of a sample: labels, } and a value.
func labelled(s string) (map[string]string, uint64, error) {
	labels := map[string]string{}
	for {
		s = strings.TrimLeft(s, ", ")
		if rest, ok := strings.CutPrefix(s, "}"); ok {
			value, err := sample(rest)
			return labels, value, err
		}
		name, rest, ok := strings.Cut(s, `="`)
		if !ok {
			return nil, 0, errors.New("labels that do not end")
		}
		text, after, ok := quoted(rest)
		if !ok {
			return nil, 0, fmt.Errorf("label %s does not end", name)
		}
		labels[name], s = text, after
	}
}

// quoted reads up to the closing quotation mark, with the escapes of Prometheus' text form.
func quoted(s string) (text, rest string, ok bool) {
	if end := strings.IndexAny(s, `"\`); end >= 0 && s[end] == '"' {
		return s[:end], s[end+1:], true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			if s[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// sample reads a value, with a timestamp after it or without.
func sample(s string) (uint64, error) {
	value, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f >= math.MaxUint64 {
		return 0, fmt.Errorf("%q is no count", value)
	}
	return uint64(f), nil
}
