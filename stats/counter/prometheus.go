package counter

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// WriteMetrics writes a report in Prometheus' text form. What is not recorded has no sample.
func WriteMetrics(w io.Writer, r Report) error {
	out := bufio.NewWriter(w) // keeps the first error for Flush
	for i, n := range (Counts{}).Named() {
		name := "egress_" + n.Unit
		kind := "counter"
		if n.Gauge {
			kind = "gauge"
		}
		headed := false
		for _, row := range r.Rows {
			c := row.Counts.Named()[i].Count
			if !c.Known() {
				continue
			}
			if !headed {
				headed = true
				write(out, "# HELP ", name, " ", n.Help, "\n# TYPE ", name, " ", kind, "\n")
			}
			write(out, name, "{")
			for j, label := range []struct{ name, value string }{
				{"host", row.Host},
				{"port", strconv.Itoa(row.Port)},
				{"set", row.Set},
				{"hop", string(row.Hop)},
				{"namespace", row.Namespace},
				{"pod", row.Pod},
				{"cluster", row.Cluster},
				{"source", string(c.Source)},
			} {
				if j > 0 {
					write(out, ",")
				}
				write(out, label.name, `="`, escapes.Replace(label.value), `"`)
			}
			write(out, "} ", strconv.FormatUint(c.Value, 10), "\n")
		}
	}
	return out.Flush()
}

// escapes are those of a label's value.
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func write(w *bufio.Writer, parts ...string) {
	for _, p := range parts {
		_, _ = w.WriteString(p) // Flush tells
	}
}
