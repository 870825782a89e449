// Command picture makes docs/run.svg and the run in README.md from docs/run.txt, which is what a terminal showed in a real session, its
// colours as the terminal got them. With -record it puts that session together anew (Linux) from what `make demo RECORD=1` kept of a real
// cluster: what commands printed, and captures, on which the check is really run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

const (
	recording = "docs/run.txt"
	drawing   = "docs/run.svg"
	readme    = "README.md"
	begins    = "<!-- run -->\n"
	ends      = "<!-- /run -->"
)

func main() {
	again := flag.Bool("record", false, "put the session together anew, with bin/kubectl-egress, from what make demo RECORD=1 kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *again {
		err = record(ctx, recording)
	}
	if err == nil {
		err = draw()
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// draw writes the picture and the README's text.
func draw() error {
	text, err := os.ReadFile(recording)
	if err != nil {
		return err
	}
	if err := os.WriteFile(drawing, []byte(svg(string(text))), 0o644); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	page, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	page2, err := placed(string(page), string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(readme, []byte(page2), 0o644) //nolint:gosec // for everybody to read
}

// placed puts the session's text where the README shows it.
func placed(page, session string) (string, error) {
	before, rest, ok := strings.Cut(page, begins)
	_, after, closed := strings.Cut(rest, ends)
	if !ok || !closed {
		return "", fmt.Errorf("%s has no place for the run: %s…%s", readme, strings.TrimSpace(begins), ends)
	}
	var b strings.Builder
	for _, line := range lines(session) {
		for _, s := range line {
			b.WriteString(s.text)
		}
		b.WriteByte('\n')
	}
	return before + begins + "```\n" + strings.TrimRight(b.String(), "\n") + "\n```\n" + ends + after, nil
}
