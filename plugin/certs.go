package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/diagnose/held"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
	"github.com/kubectl-egress/kubectl-egress/stats/certs"
)

// soonByDefault is as long before its end as credential create warns of a certificate.
const soonByDefault = 30 * 24 * time.Hour

type certsCommand struct {
	tool    *tool
	options held.Options
	via     *choice
	output  *choice
	failOn  *choice
}

func newCerts(t *tool) *cobra.Command {
	c := &certsCommand{tool: t}
	cmd := &cobra.Command{
		Use:   "certs [NAMESPACE/SERVICE]",
		Short: "Certificates and trust anchors in the gateways: names, validity, active or not",
		Long: "Certificates and trust anchors in every pod of the mesh's egress gateways, or of the one that is named: which secrets are active, which " +
			"Envoy waits for and which objects want in vain, their names, issuer and validity, what for, and what is wrong with them. On Istio up to " +
			"1.4 the files in /etc/certs are read. Private keys are never asked for.\n\n" +
			"Exit codes: 0 fine; 1 the cluster failed, or a pod could not be asked; 3 something is wrong with a certificate; " +
			"4 only warnings, with --fail-on=warning",
		Example: t.examples(
			"what every egress gateway holds", "certs",
			"one gateway, with subjects and the users of each", "certs istio-system/istio-egressgateway -o wide"),
		GroupID: groupRead,
		Args:    func(cmd *cobra.Command, args []string) error { return c.parse(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	c.output = chooseOutput(cmd, "How they are printed (default: a table)", "wide", "json", "yaml", "name")
	c.failOn = choose(cmd, "fail-on", "", "What makes the exit code other than 0; warning: warnings too", "failure", "warning")
	f.DurationVar(&c.options.Soon, "expires-within", soonByDefault, "Warn of what ends within this time; Istio's own, which lives a day, is judged by its age")
	c.via = choose(cmd, "via", "", "How Envoy is asked; auto: through a port-forward or, where that is forbidden, by exec",
		string(ask.Auto), string(ask.Exec), string(ask.PortForward))
	cmd.ValidArgsFunction = first(t.offering(offerGateways))
	return cmd
}

func (c *certsCommand) parse(cmd *cobra.Command, args []string) (err error) {
	if c.options.Soon < 0 {
		return usagef(cmd, "--expires-within=%s: what has ended is told anyway", c.options.Soon)
	}
	if len(args) > 0 {
		c.options.Gateway, err = gatewayArgument(cmd, args, egress.GatewayRef{})
	}
	return err
}

func (c *certsCommand) run(ctx context.Context) error {
	client, err := c.tool.connect("certs")
	if err != nil {
		return err
	}
	defer client.Close()
	c.options.Via, c.options.Now, c.options.Logs = ask.Via(c.via.value), time.Now(), client
	done := c.tool.status("asking the gateways")
	pods, notes, err := held.Look(ctx, client, c.options)
	done()
	if err != nil {
		return err
	}
	if err := c.print(pods); err != nil {
		return err
	}
	for _, n := range notes {
		c.tool.note("%s", n)
	}
	for _, p := range pods {
		for _, n := range p.Notes {
			c.tool.note("%s/%s: %s", p.Namespace, p.Pod, n)
		}
	}
	if len(pods) == 0 && len(notes) == 0 {
		c.tool.note("No egress gateways. Install one: %s gateway install", c.tool.name)
	}
	return c.judged(pods)
}

// judged makes what is wrong the exit code. A pod that could not be asked is worse than one that tells of warnings.
func (c *certsCommand) judged(pods []certs.Pod) error {
	if certs.Count(pods, certs.Fail) > 0 {
		return verdict(exitFinding)
	}
	var failed []string
	for _, p := range pods {
		if p.Failed != "" {
			failed = append(failed, fmt.Sprintf("%s/%s could not be asked: %s", p.Namespace, p.Pod, p.Failed))
		}
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, "; "))
	}
	if c.failOn.value == "warning" && certs.Count(pods, certs.Warn) > 0 {
		return verdict(exitWarning)
	}
	return nil
}

// certsList is what certs -o json prints.
type certsList struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Items      []certs.Pod    `json:"items"`
	Summary    map[string]int `json:"summary"`
}

func (c *certsCommand) print(pods []certs.Pod) error {
	switch c.output.value {
	case "json", "yaml":
		all := certsList{
			APIVersion: egress.APIVersion, Kind: "CertificateList", Items: pods,
			Summary: map[string]int{"fail": certs.Count(pods, certs.Fail), "warn": certs.Count(pods, certs.Warn)},
		}
		if all.Items == nil {
			all.Items = []certs.Pod{}
		}
		text, err := encode(c.output.value, all)
		if err != nil {
			return err
		}
		_, err = c.tool.Out.Write(text)
		return err
	case "name":
		for _, p := range pods {
			for _, h := range p.Held {
				if _, err := fmt.Fprintln(c.tool.Out, plain(p.Namespace+"/"+p.Pod+" "+h.Name)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	rows := c.rows(pods)
	if len(rows) > 0 {
		header := []string{"POD", "NAME", "TYPE", "STATE", "SAN", "ISSUER", "SERIAL", "FROM", "EXPIRES", "LEFT", "FOR"}
		if c.output.value == "wide" {
			header = append(header, "SUBJECT", "USED BY")
		}
		if err := table(c.tool.Out, header, rows); err != nil {
			return err
		}
	}
	return c.problems(pods)
}

// rows has a row for each certificate; the CAs of the proxy's image are one row.
func (c *certsCommand) rows(pods []certs.Pod) [][]string {
	var rows [][]string
	for _, p := range pods {
		for i := range p.Held {
			h := &p.Held[i]
			shown := h.Certificates
			if h.Name == certs.SystemRoots && len(shown) > 1 {
				shown = []certs.Certificate{{Issuer: count(len(shown), "CA"), Expires: h.First().Expires}}
			}
			if len(shown) == 0 {
				shown = []certs.Certificate{{}}
			}
			for j, cert := range shown {
				row := []string{p.Pod, h.Name, string(h.Type), string(h.State)}
				row = append(row, c.cells(cert)...)
				use := h.For
				if j > 0 && h.Type == certs.Chain {
					use = "signed the one above"
				}
				row = append(row, use)
				if c.output.value == "wide" {
					row = append(row, dash(cert.Subject), dash(strings.Join(h.Users, ", ")))
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// cells are what is told of one certificate: SAN to LEFT.
func (c *certsCommand) cells(cert certs.Certificate) []string {
	when := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format("2006-01-02T15:04Z")
	}
	left := "-"
	if !cert.Expires.IsZero() {
		left = days(cert.Left(c.options.Now))
	}
	return []string{dash(strings.Join(cert.SANs, ", ")), dash(cert.Issuer), dash(cert.Serial), when(cert.From), when(cert.Expires), left}
}

// days says how long in days, or in hours where it is less than two.
func days(d time.Duration) string {
	switch {
	case d <= 0:
		return "ended"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// problems tells what is wrong below the table: it is data as well.
func (c *certsCommand) problems(pods []certs.Pod) error {
	var lines []string
	for _, p := range pods {
		for _, h := range p.Held {
			for _, problem := range h.Problems {
				mark := map[certs.Level]string{certs.Fail: "FAIL", certs.Warn: "warn"}[problem.Level]
				lines = append(lines, fmt.Sprintf("%s  %s %s: %s", mark, p.Pod, h.Name, problem.Says))
				if problem.Fix != "" {
					lines = append(lines, "      mend it: "+problem.Fix)
				}
			}
		}
	}
	if len(lines) > 0 {
		lines = slices.Insert(lines, 0, "")
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(c.tool.Out, plain(line)); err != nil {
			return err
		}
	}
	return nil
}
