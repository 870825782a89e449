package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// rights is the table of what each command asks of the API server, as `rbac` prints roles of it.
func rights() string {
	var b strings.Builder
	b.WriteString("# Rights\n\n" + `What each command asks of the API server, and nothing else: this is the table that every request is held to before it is sent.
` + "`kubectl egress rbac COMMAND`" + ` prints the least ClusterRole and Roles of it as YAML, with bindings if told to whom:

` + "```" + `
kubectl egress rbac check --user=ann | kubectl apply -f -
kubectl egress rbac check logs stats --group=developers | kubectl apply -f -
kubectl egress rbac enable cleanup --namespaced -n team --service-account=team/robot | kubectl apply -f -
` + "```" + `

- **needed**: without it the command ends with exit code 1 or says *unknown*, and names the right.
- **optional**: without it the command works; what it could not see it names on stderr. What undoes writes is optional too.
- ***with* a word**: only needed with that flag or in that circumstance; ` + "`--with=WORD`" + ` prints it as a role of its own.

*Where*: a right in *all namespaces* is in a ClusterRole; those at *home* are in the namespace of ` + "`-n`" + ` (with ` + "`-A`" + `: in the ClusterRole); those at the *gateway* in the
namespaces of ` + "`--gateway`" + `; those of *istio* in the root namespace. After a slash is where it will do for a tenant (` + "`--namespaced`" + `), who then sees that much.

To ask which API groups there are (` + "`GET /apis/GROUP`" + `) is everybody's right who is authenticated (ClusterRole ` + "`system:discovery`" + `), and in no role here.
To forward ports and to exec by WebSocket the API server also takes *get*; *create* will do, since the client then falls back to SPDY.

## Words of --with

| word | when |
| --- | --- |
`)
	rightsWords(&b)
	for _, c := range kube.Commands() {
		only := "only reads: the client refuses writes"
		if c.Writes {
			only = "writes"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| may | where | | what for |\n| --- | --- | --- | --- |\n", c.Name, only)
		for _, r := range c.Rights {
			where := string(r.In)
			if r.Else != "" {
				where += " / " + string(r.Else)
			}
			need := "needed"
			switch {
			case r.With != "":
				need = "with " + r.Word()
			case r.Optional:
				need = "optional"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.ReplaceAll(r.Can, ",", ", "), where, need, r.Why)
		}
	}
	return b.String()
}

// rightsWords writes a row for each word of --with.
func rightsWords(b *strings.Builder) {
	words := map[string]string{}
	for _, c := range kube.Commands() {
		for _, r := range c.Rights {
			if r.With != "" {
				words[r.Word()] = r.Circumstance()
			}
		}
	}
	var sorted []string
	for w := range words {
		sorted = append(sorted, w)
	}
	slices.Sort(sorted)
	for _, w := range sorted {
		fmt.Fprintf(b, "| `%s` | %s |\n", w, words[w])
	}
}
