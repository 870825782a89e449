package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Format is how a report is printed.
type Format string

// The formats.
const (
	Human Format = "human" // a drawing of each path, then what was found
	Short Format = "short" // one line for each path
	Wide  Format = "wide"  // one line for each path with all its hops
	JSON  Format = "json"
	YAML  Format = "yaml"
	Name  Format = "name" // path/HOST:PORT
)

// Formats lists the formats, the default first.
func Formats() []Format { return []Format{Human, Short, Wide, JSON, YAML, Name} }

// ParseFormat knows a format by its word; empty is Human. The error is an *egress.InputError.
func ParseFormat(s string) (Format, error) {
	if s == "" {
		return Human, nil
	}
	if f := Format(s); slices.Contains(Formats(), f) {
		return f, nil
	}
	words := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		words = append(words, string(f))
	}
	return "", egress.Inputf("unknown output format %q; formats are %s", s, strings.Join(words, ", "))
}

// Options say what the reader's side can show.
type Options struct {
	Color   bool   // SGR colours
	Unicode bool   // arrows and ticks; otherwise ASCII
	Program string // how the program is called in hints, default "kubectl egress"
}

// Write prints the report.
func Write(w io.Writer, r Report, f Format, o Options) error {
	var text string
	switch f {
	case JSON:
		return writeJSON(w, r)
	case YAML:
		b, err := yaml.Marshal(r)
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		text = string(b)
	case Name:
		for _, p := range r.Paths {
			text += fmt.Sprintf("path/%s:%d\n", p.Host, p.Port)
		}
	case Short:
		return table(w, shortRows(r))
	case Wide:
		return table(w, wideRows(r))
	default:
		text = human(r, o)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func writeJSON(w io.Writer, r Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
