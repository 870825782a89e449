package firewall

import (
	"context"
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
)

// Family is the program prefix of one IP version. kube-proxy and the kubelet write both, even where only IPv4 is used.
type Family string

// The two families.
const (
	IPv4 Family = "iptables"
	IPv6 Family = "ip6tables"
)

// Families are both of them.
func Families() []Family { return []Family{IPv4, IPv6} }

// Save reads all tables of a family.
func Save(ctx context.Context, f Family) (string, error) {
	out, err := shell.Run(ctx, shell.Command{Args: []string{string(f) + "-save"}})
	if err != nil {
		return "", fmt.Errorf("read the firewall: %w", err)
	}
	return string(out), nil
}

// TakeAway removes what is not in before of the lab's chains, and tells how many lines of work that was.
func TakeAway(ctx context.Context, f Family, before string) (int, error) {
	text, err := Save(ctx, f)
	if err != nil {
		return 0, err
	}
	was, err := Parse(before)
	if err != nil {
		return 0, err
	}
	now, err := Parse(text)
	if err != nil {
		return 0, err
	}
	script := Removal(was, now)
	if script == "" {
		return 0, nil
	}
	return strings.Count(script, "\n"), Restore(ctx, f, script)
}

// Restore applies rules on top of those that are there, all or nothing.
func Restore(ctx context.Context, f Family, script string) error {
	_, err := shell.Run(ctx, shell.Command{Args: []string{string(f) + "-restore", "--noflush", "-w", "10"}, Stdin: strings.NewReader(script)})
	if err != nil {
		return fmt.Errorf("change the firewall: %w", err)
	}
	return nil
}
