package plugin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// statsReport is what stats -o json prints.
type statsReport struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Taken      string          `json:"taken"` // RFC 3339
	Items      []counter.Row   `json:"items"`
	Proxies    []counter.Asked `json:"proxies"`
	Notes      []string        `json:"notes,omitempty"`
	// Records is the annotation on a pod template that has a proxy record what is missing; absent if nothing is.
	Records map[string]string `json:"records,omitempty"`
}

func asStats(r counter.Report) statsReport {
	out := statsReport{
		APIVersion: egress.APIVersion, Kind: "Stats", Taken: r.Taken.Format("2006-01-02T15:04:05.000Z07:00"),
		Items: r.Rows, Proxies: r.Proxies, Notes: r.Notes,
	}
	if out.Items == nil {
		out.Items = []counter.Row{}
	}
	if out.Proxies == nil {
		out.Proxies = []counter.Asked{}
	}
	if unrecorded(r) {
		out.Records = map[string]string{counter.ConfigAnnotation: counter.Annotation()}
	}
	return out
}

// unrecorded says whether something is missing because a proxy was told to leave it out.
func unrecorded(r counter.Report) bool {
	return slices.ContainsFunc(r.Rows, func(row counter.Row) bool {
		return slices.ContainsFunc(row.Counts.Named(), func(n counter.Named) bool { return n.Count.Why == counter.NotRecorded })
	})
}

func (s *statsCommand) print(r counter.Report) error {
	switch s.output.value {
	case "json", "yaml":
		text, err := encode(s.output.value, asStats(r))
		if err != nil {
			return err
		}
		_, err = s.tool.Out.Write(text)
		return err
	case "prometheus":
		return counter.WriteMetrics(s.tool.Out, r)
	}
	if len(r.Rows) == 0 {
		return nil
	}
	header, rows := s.columns(r)
	return table(s.tool.Out, header, rows)
}

func (s *statsCommand) columns(r counter.Report) (header []string, rows [][]string) {
	wide := s.output.value == "wide"
	sidecars := slices.ContainsFunc(r.Rows, func(row counter.Row) bool { return row.Hop == egress.AtSidecar })
	header = []string{"HOST", "POD", "OPENED", "ACTIVE", "FAILED", "REQUESTS", "TLS FAILED", "DNS FAILED", "SENT", "RECEIVED", "SOURCE"}
	if sidecars {
		header = slices.Insert(header, 1, "HOP")
	}
	if wide {
		header = append(header, "NAMESPACE", "SET", "CLUSTER")
	}
	for _, row := range r.Rows {
		cells := []string{row.Host + ":" + strconv.Itoa(row.Port), row.Pod}
		if sidecars {
			cells = slices.Insert(cells, 1, string(row.Hop))
		}
		named := row.Counts.Named()
		for _, n := range named {
			cells = append(cells, cell(n.Count, !wide && strings.HasPrefix(n.Name, "bytes")))
		}
		cells = append(cells, sourcesOf(named))
		if wide {
			cells = append(cells, row.Namespace, dash(row.Set), row.Cluster)
		}
		rows = append(rows, cells)
	}
	return header, rows
}

// cell shows a count: a number, why there is none, or - where it does not apply.
func cell(c counter.Count, bytes bool) string {
	switch {
	case !c.Known():
		return dash(c.Why)
	case bytes:
		return size(c.Value)
	}
	return strconv.FormatUint(c.Value, 10)
}

// size writes bytes as people read them.
func size(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	value, units := float64(n)/1000, []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	for value >= 999.95 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + units[0]
}

// sourcesOf names where the counts of a row come from, in the order in which they are asked.
func sourcesOf(named []counter.Named) string {
	var words []string
	for _, source := range counter.Sources() {
		if slices.ContainsFunc(named, func(n counter.Named) bool { return n.Count.Source == source }) {
			words = append(words, string(source))
		}
	}
	return dash(strings.Join(words, ", "))
}

// remarks tells on stderr what the numbers do not say.
func (s *statsCommand) remarks(r counter.Report) {
	t := s.tool
	for _, n := range r.Notes {
		t.note("%s", n)
	}
	for _, p := range r.Proxies {
		for _, m := range p.Missing {
			t.note("%s/%s: %s", p.Namespace, p.Pod, m)
		}
	}
	if len(r.Rows) == 0 && len(r.Proxies) == 0 {
		t.note("No egress paths. Declare one: %s enable --domains=HOST", t.name)
	}
	if !unrecorded(r) || s.output.value == "json" || s.output.value == "yaml" {
		return
	}
	gateways := silent(r)
	for _, g := range gateways {
		t.note("gateway %s does not record all of it; restart its pods with what does: %s stats record on --gateway=%[1]s", g, t.name)
	}
	if len(gateways) == 0 {
		t.note("have these proxies record the rest by this annotation on their pod template:")
	} else {
		t.note("or put this annotation on the pod template:")
	}
	fmt.Fprintf(t.ErrOut, "  %s: |\n", counter.ConfigAnnotation)
	for line := range strings.Lines(counter.Annotation()) {
		fmt.Fprintf(t.ErrOut, "    %s", line)
	}
}

// silent lists the gateways that are told not to record all that is counted.
func silent(r counter.Report) []egress.GatewayRef {
	var out []egress.GatewayRef
	for _, p := range r.Proxies {
		if p.Recording != nil && !*p.Recording && p.Hop == egress.AtGateway && !slices.Contains(out, p.Gateway) {
			out = append(out, p.Gateway)
		}
	}
	return out
}
