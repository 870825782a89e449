//go:build linux

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/cluster"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/progress"
)

// errNotAll is how status ends when not everything runs. What is missing was printed.
var errNotAll = errors.New("not everything runs")

func runStatus(ctx context.Context, i *invocation) error {
	r, err := build.Current(i.site)
	if err != nil {
		return err
	}
	if i.built {
		if _, err := fmt.Fprintln(i.Out, "built: "+r.Parts); err != nil {
			return fmt.Errorf("write the status: %w", err)
		}
		return nil
	}
	list := cluster.Status(ctx, i.site, r)
	if i.output == "json" {
		text, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			return fmt.Errorf("write the status: %w", err)
		}
		if _, err := fmt.Fprintln(i.Out, string(text)); err != nil {
			return fmt.Errorf("write the status: %w", err)
		}
	} else if _, err := fmt.Fprint(i.Out, table(list)); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	for _, p := range list {
		if !p.Ready && !p.Optional {
			return errNotAll
		}
	}
	return nil
}

// table is one line per part: what it is, its process, how long it runs, what is wrong.
func table(list []cluster.PartStatus) string {
	width := 0
	for _, p := range list {
		width = max(width, len(p.Name))
	}
	var b strings.Builder
	for _, p := range list {
		word, pid, age := "ready", "", ""
		if !p.Ready {
			word = "no"
		}
		if p.PID != 0 {
			pid, age = fmt.Sprint(p.PID), progress.Seconds(p.Age)
		}
		line := fmt.Sprintf("%-*s  %-5s  %7s  %12s  %s", width, p.Name, word, pid, age, p.Reason)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// quote makes a path one word for a shell.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
