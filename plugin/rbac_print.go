package plugin

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

const rbacGroup = "rbac.authorization.k8s.io"

// roleKinds are what a role and its binding are called, by whether it has a namespace.
func roleKinds(r kube.Role) (role, binding string) {
	if r.Namespace == "" {
		return "ClusterRole", "ClusterRoleBinding"
	}
	return "Role", "RoleBinding"
}

// subject is to whom roles are bound.
type subject struct {
	Kind      string `json:"kind"`
	APIGroup  string `json:"apiGroup,omitempty"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// rolesYAML writes roles with what each right is for, and their bindings.
func rolesYAML(program string, all []granted, subjects []subject) string {
	var b strings.Builder
	for _, g := range all {
		for i, role := range g.Roles {
			if b.Len() > 0 {
				b.WriteString("---\n")
			}
			if i == 0 {
				g.head(&b, program)
			}
			kind, binding := roleKinds(role)
			meta := "metadata:\n  name: " + yamlWord(role.Name) + "\n"
			if role.Namespace != "" {
				meta += "  namespace: " + yamlWord(role.Namespace) + "\n"
			}
			fmt.Fprintf(&b, "apiVersion: %s/v1\nkind: %s\n%srules:\n", rbacGroup, kind, meta)
			said := ""
			for _, grant := range role.Grants {
				why := grant.Why
				if grant.Optional {
					why += " (optional)"
				}
				if why != said {
					fmt.Fprintf(&b, "# %s\n", why)
				}
				said = why
				fmt.Fprintf(&b, "- apiGroups: [%s]\n  resources: [%s]\n  verbs: [%s]\n",
					yamlWord(grant.Group), strings.Join(grant.Resources, ", "), strings.Join(grant.Verbs, ", "))
			}
			if len(subjects) == 0 {
				continue
			}
			fmt.Fprintf(&b, "---\napiVersion: %s/v1\nkind: %s\n%sroleRef:\n  apiGroup: %s\n  kind: %s\n  name: %s\nsubjects:\n",
				rbacGroup, binding, meta, rbacGroup, kind, yamlWord(role.Name))
			for _, s := range subjects {
				fmt.Fprintf(&b, "- kind: %s\n  name: %s\n", s.Kind, yamlWord(s.Name))
				if s.APIGroup != "" {
					fmt.Fprintf(&b, "  apiGroup: %s\n", s.APIGroup)
				}
				if s.Namespace != "" {
					fmt.Fprintf(&b, "  namespace: %s\n", yamlWord(s.Namespace))
				}
			}
		}
	}
	return b.String()
}

// head says what roles are for, and what is not among them.
func (g granted) head(b *strings.Builder, program string) {
	fmt.Fprintf(b, "# What '%s %s' asks of the API server%s, and nothing else.\n", program, strings.Join(g.commands, "', '"+program+" "), g.with)
	for _, r := range g.apart {
		fmt.Fprintf(b, "# Not here (--with=%s): %s.\n", r.Word(), r.Circumstance())
	}
	for _, r := range g.Beyond {
		fmt.Fprintf(b, "# Not granted, since it is for all namespaces: %s (%s).\n", r.Can, r.Why)
	}
}

// plainWord is what YAML takes for a string without quotes, whatever its version.
var plainWord = regexp.MustCompile(`^[a-z][a-z0-9]*[a-z0-9.-]*[-.][a-z0-9.-]*$|^[a-z][a-z0-9-]{5,}$`)

// yamlWord quotes a name unless it cannot be taken for anything else.
func yamlWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return strconv.QuoteToASCII(s)
}

// printRolesJSON writes roles and their bindings as one List.
func printRolesJSON(w io.Writer, all []granted, subjects []subject) error {
	type rule struct {
		APIGroups []string `json:"apiGroups"`
		Resources []string `json:"resources"`
		Verbs     []string `json:"verbs"`
	}
	items := []any{}
	for _, g := range all {
		for _, role := range g.Roles {
			kind, binding := roleKinds(role)
			meta := map[string]any{"name": role.Name}
			if role.Namespace != "" {
				meta["namespace"] = role.Namespace
			}
			rules := make([]rule, 0, len(role.Grants))
			for _, grant := range role.Grants {
				rules = append(rules, rule{[]string{grant.Group}, grant.Resources, grant.Verbs})
			}
			items = append(items, map[string]any{"apiVersion": rbacGroup + "/v1", "kind": kind, "metadata": meta, "rules": rules})
			if len(subjects) > 0 {
				items = append(items, map[string]any{
					"apiVersion": rbacGroup + "/v1", "kind": binding, "metadata": meta, "subjects": subjects,
					"roleRef": map[string]any{"apiGroup": rbacGroup, "kind": kind, "name": role.Name},
				})
			}
		}
	}
	text, err := encode(formatJSON, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// wide prints the table: every right of every command, and what it is for.
func (r *rbac) wide() error {
	var rows [][]string
	for _, c := range r.chosen {
		for _, right := range c.Rights {
			words := right.Word()
			if words != "" && !slices.Contains(r.with, words) && !slices.Contains(r.with, "all") || right.Optional && r.needed {
				continue
			}
			verbs, resources, _ := strings.Cut(right.Can, " ")
			need := "needed"
			switch {
			case words != "":
				need = "with " + words
			case right.Optional:
				need = "optional"
			}
			for resource := range strings.SplitSeq(resources, ",") {
				rows = append(rows, []string{c.Name, verbs, resource, placeWords(right.In), need, right.Why})
			}
		}
	}
	return table(r.tool.Out, []string{"COMMAND", "VERBS", "RESOURCE", "WHERE", "NEEDED", "WHAT FOR"}, rows)
}

func placeWords(p kube.Place) string {
	return map[kube.Place]string{
		kube.Everywhere: "all namespaces", kube.HomeOrAll: "-n, or all with -A", kube.Home: "-n", kube.AtGateway: "the gateway's",
		kube.OfIstio: "Istio's", kube.OfDNS: "kube-system",
	}[p]
}
