package e2e

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rbacObject is a Role, a ClusterRole or a binding.
type rbacObject struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   objectName   `json:"metadata"`
	Rules      []rule       `json:"rules,omitempty"`
	RoleRef    *subject     `json:"roleRef,omitempty"`
	Subjects   []subject    `json:"subjects,omitempty"`
	Items      []rbacObject `json:"items,omitempty"`
}

type objectName struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

type rule struct {
	APIGroups []string `json:"apiGroups"`
	Resources []string `json:"resources"`
	Verbs     []string `json:"verbs"`
}

type subject struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

// atomsOf reads what `rbac -o json` printed.
func atomsOf(t *testing.T, printed string) []atom {
	t.Helper()
	var list rbacObject
	if err := json.Unmarshal([]byte(printed), &list); err != nil {
		t.Fatalf("rbac -o json printed no JSON: %v\n%s", err, printed)
	}
	var atoms []atom
	for _, o := range list.Items {
		for _, r := range o.Rules {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					atoms = append(atoms, atom{o.Metadata.Namespace, verb, r.APIGroups[0], resource})
				}
			}
		}
	}
	return atoms
}

// grantEach gives every right to a group of its own, so that a user who is impersonated with all groups but one lacks just that right.
func (c *cluster) grantEach(atoms []atom) {
	c.t.Helper()
	const group = "rbac.authorization.k8s.io"
	list := rbacObject{APIVersion: "v1", Kind: "List"}
	done := map[atom]bool{}
	roles := map[atom]string{}
	for _, a := range atoms {
		if done[a] {
			continue
		}
		done[a] = true
		role := atom{"", a.verb, a.group, a.resource}
		if roles[role] == "" {
			roles[role] = "e2e-rbac-each-" + strconv.Itoa(len(roles))
			list.Items = append(list.Items, rbacObject{
				APIVersion: group + "/v1", Kind: "ClusterRole", Metadata: objectName{Name: roles[role]},
				Rules: []rule{{[]string{a.group}, []string{a.resource}, []string{a.verb}}},
			})
		}
		binding := rbacObject{
			APIVersion: group + "/v1", Kind: "ClusterRoleBinding", Metadata: objectName{roles[role], a.namespace},
			RoleRef: &subject{group, "ClusterRole", roles[role]}, Subjects: []subject{{group, "Group", a.holder()}},
		}
		if a.namespace != "" {
			binding.Kind = "RoleBinding"
		}
		list.Items = append(list.Items, binding)
	}
	text, err := json.Marshal(list)
	if err != nil {
		c.t.Fatal(err)
	}
	// Some hundreds: one request for each, and no waiting for what has no finalizers.
	c.t.Cleanup(func() {
		if r := c.run(string(text), c.kubectl, "delete", "--ignore-not-found", "--wait=false", "-f", "-"); r.code != 0 {
			c.t.Errorf("taking rights away: %s", r)
		}
	})
	c.kubeIn(string(text), "apply", "--server-side", "-f", "-")
	last := atoms[len(atoms)-1]
	c.eventually("the rights to be granted", 30*time.Second, func() (bool, string) {
		args := []string{"auth", "can-i", last.verb, qualified(last), "--as=e2e-rbac", "--as-group=" + last.holder()}
		if _, sub, ok := strings.Cut(last.resource, "/"); ok {
			args = append(args, "--subresource="+sub)
		}
		if last.namespace != "" {
			args = append(args, "-n", last.namespace)
		} else {
			args = append(args, "-A")
		}
		r := c.run("", c.kubectl, args...)
		return r.code == 0, r.String()
	})
}

// qualified is a resource as kubectl takes it, without its subresource.
func qualified(a atom) string {
	resource, _, _ := strings.Cut(a.resource, "/")
	if a.group != "" {
		resource += "." + a.group
	}
	return resource
}
