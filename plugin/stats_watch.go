package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/diagnose/measure"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// findAgain is how old what is known of the paths may get while they are watched: sets come and go.
const findAgain = 30 * time.Second

// follow asks again and again until a signal ends it. What fails meanwhile is told and tried again.
func (s *statsCommand) follow(ctx context.Context, client measure.Client) error {
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	sized := make(chan os.Signal, 1)
	whenSized(sized)
	defer signal.Stop(sized)
	done := s.tool.status("asking the proxies")
	defer done()
	var (
		meter   *measure.Meter
		found   time.Time
		history counter.History
		told    bool
		shown   = &screen{w: s.tool.Out, inPlace: s.tool.term.width > 0 && s.tool.term.redraws}
	)
	for {
		if meter == nil || time.Since(found) > findAgain {
			next, err := measure.Find(ctx, client, s.options)
			switch {
			case err == nil:
				meter, found = next, time.Now()
			case meter == nil || ctx.Err() != nil:
				return s.tool.ended(ctx, err)
			default:
				s.tool.note("%s", oneLine(err))
				shown.rows = nil // they stay, above the note
			}
		}
		r, stale, err := meter.Read(ctx)
		done()
		if err != nil {
			return s.tool.ended(ctx, err)
		}
		history.Add(r)
		if !told {
			told = true
			s.remarks(r)
		}
		if err := s.show(shown, r, &history); err != nil {
			return err
		}
		if stale {
			found = time.Time{}
		}
		if err := shown.until(ctx, tick.C, sized); err != nil {
			return s.tool.ended(ctx, err)
		}
	}
}

// ended ends what goes on until a signal comes: the signal is no error, and its exit code is.
func (t *tool) ended(ctx context.Context, err error) error {
	if stopped, ok := errors.AsType[Interrupted](context.Cause(ctx)); ok {
		if t.line != nil {
			fmt.Fprintln(t.ErrOut) // after the ^C that the terminal shows
		}
		return verdict(stopped.ExitCode())
	}
	return err
}

// show prints one moment.
func (s *statsCommand) show(on *screen, r counter.Report, h *counter.History) error {
	switch s.output.value {
	case "json":
		return json.NewEncoder(s.tool.Out).Encode(asStats(r)) // one line each
	case "yaml":
		text, err := yaml.Marshal(asStats(r))
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		_, err = fmt.Fprintf(s.tool.Out, "---\n%s", text)
		return err
	}
	if !on.inPlace {
		return s.lines(r, h)
	}
	header, rows := s.moving(r, h)
	var b strings.Builder
	if err := table(&b, header, rows); err != nil {
		return err
	}
	return on.draw(b.String())
}

// moving are the columns that change: the sources and totals are in stats without --watch.
func (s *statsCommand) moving(r counter.Report, h *counter.History) (header []string, rows [][]string) {
	header = []string{"HOST", "HOP", "POD", "OPENED", "RATE", "ACTIVE", "FAILED", "TLS FAILED", "DNS FAILED", "LAST MINUTE"}
	if s.output.value == "wide" {
		header = append(header, "SENT", "RECEIVED", "SOURCE", "CLUSTER")
	}
	for _, row := range r.Rows {
		c := row.Counts
		cells := []string{
			row.Host + ":" + strconv.Itoa(row.Port), string(row.Hop), s.shortPod(row.Pod), cell(c.Opened, false), rate(row, h),
			cell(c.Active, false), cell(c.Failed, false), cell(c.TLSFailed, false), cell(c.DNSFailed, false),
			counter.Sparkline(h.LastMinute(row), !s.tool.term.unicode),
		}
		if s.output.value == "wide" {
			cells = append(cells, cell(c.Sent, true), cell(c.Received, true), sourcesOf(c.Named()), row.Cluster)
		}
		rows = append(rows, cells)
	}
	return header, rows
}

// rate is connections opened in a second.
func rate(row counter.Row, h *counter.History) string {
	if v, ok := h.Rate(row); ok {
		return strconv.FormatFloat(v, 'f', 1, 64) + "/s"
	}
	return "-"
}

// shortPod leaves the end of a pod's name, which tells pods of one gateway apart.
func (s *statsCommand) shortPod(name string) string {
	const most = 24
	if len(name) <= most || s.output.value == "wide" {
		return name
	}
	if !s.tool.term.unicode {
		return ".." + name[len(name)-most+2:]
	}
	return "…" + name[len(name)-most+1:]
}

// lines prints a moment for files and pipes: a line for each row, with the time.
func (s *statsCommand) lines(r counter.Report, h *counter.History) error {
	for _, row := range r.Rows {
		words := []string{
			r.Taken.Format(time.RFC3339), row.Host + ":" + strconv.Itoa(row.Port), string(row.Hop), row.Pod, "rate=" + rate(row, h),
		}
		for _, n := range row.Counts.Named() {
			if n.Count.Known() {
				words = append(words, n.Name+"="+strconv.FormatUint(n.Count.Value, 10))
			}
		}
		if _, err := fmt.Fprintln(s.tool.Out, plain(strings.Join(words, " "))); err != nil {
			return err
		}
	}
	return nil
}

// screen draws over what it drew before.
type screen struct {
	w       io.Writer
	inPlace bool
	text    string   // that was drawn last
	rows    []string // what of it is on the terminal
}

// draw puts text in the place of the last one. A row is cleared before it is written: after one as wide as the terminal the cursor
// is still on its last letter.
func (s *screen) draw(text string) error {
	columns, lines := extent(s.w)
	var b strings.Builder
	if up := height(s.rows, columns); up > 0 {
		fmt.Fprintf(&b, "\033[%dA", up)
	}
	s.text, s.rows = text, fit(slices.Collect(strings.Lines(text)), columns, lines)
	for _, row := range s.rows {
		b.WriteString("\033[K" + row + "\n")
	}
	b.WriteString("\033[J")
	_, err := io.WriteString(s.w, b.String())
	return err
}

// until waits for the next moment; when the terminal gets another size it draws the last one anew.
func (s *screen) until(ctx context.Context, next <-chan time.Time, sized <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
			return nil
		case <-sized:
			if s.rows == nil {
				continue
			}
			if err := s.draw(s.text); err != nil {
				return err
			}
		}
	}
}

// height is how many lines of a terminal rows take: one that has become narrower has wrapped them.
func height(rows []string, columns int) int {
	n := len(rows)
	for _, row := range rows {
		if columns > 0 {
			n += max(0, utf8.RuneCountInString(row)-1) / columns
		}
	}
	return n
}

// fit cuts lines so that they are no wider and no more than the terminal has, 0 if that is not known: lines that wrap or scroll away
// could not be drawn over.
func fit(rows []string, columns, lines int) []string {
	if lines > 2 && len(rows) > lines-1 {
		rows = append(rows[:lines-2:lines-2], fmt.Sprintf("and %d more", len(rows)-(lines-2)))
	}
	out := make([]string, 0, len(rows))
	for _, row := range rows {
		runes := []rune(strings.TrimRight(row, "\n"))
		if columns > 0 && len(runes) > columns {
			runes = runes[:columns]
		}
		out = append(out, string(runes))
	}
	return out
}

// extent is the terminal's size; 0 if it is none.
func extent(w io.Writer) (columns, lines int) {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0, 0
	}
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0 // no terminal: nothing is cut
	}
	return columns, lines
}
