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
	Name  Format = "name"  // path/HOST:PORT
	JUnit Format = "junit" // XML for CI servers
	SARIF Format = "sarif" // 2.1.0, for code scanning
	HTML  Format = "html"  // one page that needs nothing beside it
)

// Formats lists the formats, the default first.
func Formats() []Format { return []Format{Human, Short, Wide, JSON, YAML, Name, JUnit, SARIF, HTML} }

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
	Home    string // the address of the project, for links to its pages; empty: no links
	Width   int    // columns of the terminal; 0: no terminal, so that nothing is wrapped
}

// Write prints the report.
func Write(w io.Writer, r Report, f Format, o Options) error {
	var text string
	switch f {
	case JSON:
		return writeJSON(w, r)
	case SARIF:
		return writeJSON(w, sarif(r, o))
	case JUnit:
		text = junit(r)
	case HTML:
		text = web(r, o)
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

func writeJSON(w io.Writer, r any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
