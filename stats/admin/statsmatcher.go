package admin

import (
	"regexp"
	"strings"
)

// StatsMatcher decides which counters an Envoy keeps. Istio's default keeps few: none of a cluster, a listener or a DNS
// cache, so that a counter that is absent says nothing.
type StatsMatcher struct {
	// Inclusion: only names that fit a pattern are kept. Otherwise all are kept but those that fit.
	Inclusion bool      `json:"inclusion,omitempty"`
	All       bool      `json:"all,omitempty"`  // no matcher: everything is kept
	None      bool      `json:"none,omitempty"` // reject_all
	Patterns  []Pattern `json:"patterns,omitempty"`
}

// Pattern fits a whole name, by exactly one of its fields.
type Pattern struct {
	Exact    string `json:"exact,omitempty"`
	Prefix   string `json:"prefix,omitempty"`
	Suffix   string `json:"suffix,omitempty"`
	Contains string `json:"contains,omitempty"`
	Regex    string `json:"regex,omitempty"` // RE2, for the whole name
}

type wireMatcher struct {
	RejectAll bool      `json:"reject_all"`
	Inclusion *wireList `json:"inclusion_list"`
	Exclusion *wireList `json:"exclusion_list"`
}

type wireList struct {
	Patterns []wireString `json:"patterns"`
}

func (w *wireMatcher) model() *StatsMatcher {
	switch {
	case w == nil:
		return &StatsMatcher{All: true}
	case w.RejectAll:
		return &StatsMatcher{None: true}
	case w.Inclusion != nil:
		return &StatsMatcher{Inclusion: true, Patterns: w.Inclusion.model()}
	case w.Exclusion != nil:
		return &StatsMatcher{Patterns: w.Exclusion.model()}
	}
	return &StatsMatcher{All: true}
}

func (w *wireList) model() []Pattern {
	var out []Pattern
	for _, p := range w.Patterns {
		out = append(out, Pattern{Exact: p.Exact, Prefix: p.Prefix, Suffix: p.Suffix, Contains: p.Contains, Regex: p.Regex.Regex})
	}
	return out
}

// Records says whether the Envoy would keep a counter of that name, such as
// "cluster.outbound|443||edition.cnn.com;.upstream_cx_total". Who asks about many names compiles first.
func (m *StatsMatcher) Records(name string) bool { return m.Compile()(name) }

// Compile gives what Records does, with the patterns made ready once.
func (m *StatsMatcher) Compile() func(name string) bool {
	switch {
	case m == nil || m.None:
		return func(string) bool { return false }
	case m.All:
		return func(string) bool { return true }
	}
	fits := make([]func(string) bool, 0, len(m.Patterns))
	for _, p := range m.Patterns {
		fits = append(fits, p.compile())
	}
	return func(name string) bool {
		for _, fit := range fits {
			if fit(name) {
				return m.Inclusion
			}
		}
		return !m.Inclusion
	}
}

func (p Pattern) compile() func(name string) bool {
	switch {
	case p.Exact != "":
		return func(name string) bool { return p.Exact == name }
	case p.Prefix != "":
		return func(name string) bool { return strings.HasPrefix(name, p.Prefix) }
	case p.Suffix != "":
		return func(name string) bool { return strings.HasSuffix(name, p.Suffix) }
	case p.Contains != "":
		return func(name string) bool { return strings.Contains(name, p.Contains) }
	case p.Regex != "":
		re, err := regexp.Compile("^(?:" + p.Regex + ")$")
		if err != nil { // Envoy would not have started with a pattern that is no RE2
			return func(string) bool { return false }
		}
		return re.MatchString
	}
	return func(string) bool { return true } // an empty prefix, which proto JSON leaves out
}
