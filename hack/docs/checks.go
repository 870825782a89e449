package main

import (
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// checks is the reference of all checks, as `explain` tells them.
func checks() string {
	table := check.Table()
	var b strings.Builder
	b.WriteString(`# Checks

What ` + "`kubectl egress check`" + ` can say, and ` + "`kubectl egress explain CODE`" + ` tells offline. A code never changes its meaning.

- **fail**: the path does not work, or not through the gateway. Exit code 3.
- **warn**: it works and is weaker than it could be. Exit code 4 with ` + "`--fail-on=warning`" + `.
- **skip**: nothing is wrong, but less can be seen.
- Some judge **security**: whether workloads can go round the gateway, and who may use it. They speak only with ` + "`--security`" + `.
- Any check is **unknown** where what it needs could not be read; that is never a pass.

| code | severity | hop | title |
| --- | --- | --- | --- |
`)
	security := check.SecurityCodes()
	for _, c := range table {
		title := c.Title
		if security[c.Code] {
			title += " (security)"
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", c.Code, strings.ToLower(string(c.Code)), c.Severity, c.Hop, title)
	}
	for _, c := range table {
		fmt.Fprintf(&b, "\n## %s\n\n**%s** (%s at the %s)\n\n%s\n\n%s\n", c.Code, c.Title, c.Severity, c.Hop, strings.TrimSpace(c.Why), strings.TrimSpace(c.Fix))
	}
	return b.String()
}
