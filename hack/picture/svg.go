package main

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// span is text of one look.
type span struct {
	text   string
	class  string // of the picture's style: "" or r, g, y, c, b, d
	column int    // where it begins
}

// look is what a terminal's colours are in the picture.
var look = map[string]string{"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "34": "c", "36": "c"}

var sgr = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

// lines splits what a terminal showed into lines of spans.
func lines(session string) [][]span {
	var all [][]span
	class := ""
	for text := range strings.SplitSeq(strings.TrimRight(session, "\n"), "\n") {
		var line []span
		column, from := 0, 0
		add := func(part string) {
			if part != "" {
				line = append(line, span{part, class, column})
				column += utf8.RuneCountInString(part)
			}
		}
		for _, m := range sgr.FindAllStringSubmatchIndex(text, -1) {
			add(text[from:m[0]])
			from = m[1]
			class = ""
			for code := range strings.SplitSeq(text[m[2]:m[3]], ";") {
				if c, ok := look[code]; ok {
					class = c
				}
			}
		}
		add(text[from:])
		all = append(all, line)
	}
	return all
}

// A character's cell, in the picture's units.
const (
	cellWidth  = 8.0
	cellHeight = 18
	margin     = 16
)

// svg draws the session. Every span is set at its own place and width, so that columns stay columns whatever font there is.
func svg(session string) string {
	all := lines(session)
	columns := 0
	var b strings.Builder
	for i, line := range all {
		for _, s := range line {
			width := utf8.RuneCountInString(s.text)
			columns = max(columns, s.column+width)
			if strings.TrimSpace(s.text) == "" {
				continue
			}
			class := ""
			if s.class != "" {
				class = fmt.Sprintf(` class=%q`, s.class)
			}
			fmt.Fprintf(&b, `<text x="%g" y="%d" textLength="%g"%s>%s</text>`+"\n",
				margin+float64(s.column)*cellWidth, margin+14+i*cellHeight, float64(width)*cellWidth, class, escaped(s.text))
		}
	}
	width, height := 2*margin+columns*int(cellWidth), 2*margin+len(all)*cellHeight
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="A session of kubectl egress">
<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d4d4d4;white-space:pre}.b{font-weight:bold;fill:#fff}.d{fill:#8a8a8a}.r{fill:#f14c4c}.g{fill:#4ec96f}.y{fill:#e5c94a}.c{fill:#6fb3f2}</style>
<rect width="100%%" height="100%%" rx="8" fill="#1e1e1e"/>
%s</svg>
`, width, height, width, height, b.String())
}

// escaped makes text fit for XML.
func escaped(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		panic("a strings.Builder takes everything: " + err.Error())
	}
	return b.String()
}
