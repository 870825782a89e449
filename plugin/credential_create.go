package plugin

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/apply/pki"
	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

type credentialCreate struct {
	installing
	material
	name    string
	gateway egress.GatewayRef
	changes bool // something else was there before
}

func newCredentialCreate(t *tool) *cobra.Command {
	c := &credentialCreate{installing: installing{tool: t}}
	var gateway string
	cmd := &cobra.Command{
		Use:   "create NAME --cert=FILE --key=FILE --ca=FILE | --self-signed",
		Short: "Check a client certificate, and put it where the egress gateway finds it",
		Long: "Put a client certificate where the egress gateway finds it: Secret NAME in the gateway's namespace, with tls.crt, tls.key and ca.crt. " +
			"Before it is written, key and certificate are checked to belong together and to be valid today. ca.crt is the CA of the outside server, " +
			"by which the gateway knows the server; who signed the client's certificate is the server's business. With other files the credential is changed, " +
			"and the command waits until the gateway has the new one; with the same files nothing is written",
		Example: t.examples(
			"from files", "credential create client-credential --cert=tls.crt --key=tls.key --ca=ca.crt",
			"for trying out with a server of your own", "credential create client-credential --self-signed --dns=a.example.com --out=certs",
			"the key from a password store", "credential create client-credential --cert=tls.crt --key=- --ca=ca.crt"),
		GroupID: groupOnly,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if c.name, err = credentialArgument(cmd, args); err != nil {
				return err
			}
			if gateway != "" {
				if c.gateway, err = egress.ParseGatewayRef(gateway); err != nil {
					return err
				}
			}
			return c.check(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), time.Now()) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	c.material.flags(cmd)
	f.StringVar(&gateway, "gateway", "", "Egress gateway as NAMESPACE/SERVICE (default: the mesh's only one); the credential goes into its namespace, whatever -n says")
	c.installing.flags(cmd)
	f.Lookup("output").Usage = "Print the Secret instead of a line, without its private key"
	f.Lookup("wait").Usage = "Wait until the gateway says that it is active, if a rule refers to it"
	f.Lookup("adopt").Usage = "Take over a Secret of the same name that was made by hand"
	return cmd
}

func (c *credentialCreate) run(ctx context.Context, now time.Time) error {
	credential, files, err := c.read(c.tool, now)
	if err != nil {
		return err
	}
	facts, err := pki.Read(credential, now)
	if err != nil {
		return err
	}
	client, err := c.tool.connect("credential create")
	if err != nil {
		return err
	}
	defer client.Close()
	known, gateway, err := c.tool.credentialGateway(ctx, client, c.gateway)
	if err != nil {
		return err
	}
	c.tool.note("credential %s/%s: %s, serial %s, valid until %s, for gateway %s",
		gateway.Namespace, c.name, facts.Subject, facts.Serial, facts.Until.UTC().Format(time.DateOnly), gateway.Ref())
	for _, weak := range facts.Weak {
		c.tool.note("warning: %s", weak)
	}
	data := map[string]string{}
	for key, text := range map[string][]byte{keyCert: credential.Cert, keyKey: credential.Key, keyCA: credential.CA} {
		data[key] = base64.StdEncoding.EncodeToString(text)
	}
	stands, err := c.place(ctx, client, credentialBundle(gateway.Namespace, c.name, data), files)
	if err != nil || !stands {
		return err
	}
	return c.active(ctx, client, known, gateway, credential)
}

// place puts the Secret on the cluster, or tells what would be done, without showing the key. Files that are to be kept are written
// when the API server has agreed to all and before the cluster is: a key that nobody has any more is of no use there.
func (c *credentialCreate) place(ctx context.Context, client *kube.Client, b apply.Bundle, files []file) (stands bool, err error) {
	if c.dryRun.value == dryClient {
		return false, c.shown([]*unstructured.Unstructured{b.Parent}, func() error { return c.onlyShow(b) })
	}
	done := c.tool.status("checking everything on the server")
	plan, err := apply.PlanBundle(ctx, client, b, c.options)
	done()
	if err != nil {
		return false, err
	}
	c.tool.notes(plan)
	if c.dryRun.value == dryServer {
		return false, c.shown(results(plan), func() error {
			c.tool.bundleLines(plan, b.Parent.GetNamespace(), " (server dry run)").printAll(plan)
			return nil
		})
	}
	if err := keep(files); err != nil {
		return false, err
	}
	c.told(files)
	lines := c.tool.bundleLines(plan, b.Parent.GetNamespace(), "").print
	if c.output.value != "" {
		lines = func(apply.Change) {}
	}
	outcome, err := plan.Execute(ctx, lines)
	if err != nil {
		return false, c.tool.unfinished(outcome, err)
	}
	c.changes = slices.ContainsFunc(plan.Changes, func(ch apply.Change) bool { return ch.Action == apply.Configured })
	return true, c.shown(results(plan), func() error { return nil })
}

// shown prints objects as -o asks, or else what people read.
func (c *credentialCreate) shown(objs []*unstructured.Unstructured, lines func() error) error {
	if c.output.value == "" {
		return lines()
	}
	if c.output.value != "name" {
		c.tool.note("the private key is not printed")
	}
	return printObjects(c.tool.Out, c.output.value, withoutKeys(objs))
}

// told says where the files are of what was made.
func (c *credentialCreate) told(files []file) {
	switch {
	case len(files) > 0:
		c.tool.note("CA, server's and client's certificates and keys are in %s", c.out)
	case c.selfSigned:
		c.tool.note("the keys of the CA and of the server were not kept; --out=DIR keeps them")
	}
}

// active waits until the gateway holds what was written, if it has reason to ask for it.
func (c *credentialCreate) active(ctx context.Context, client *kube.Client, facts mesh.Facts, gateway mesh.Gateway, credential pki.Credential) error {
	if !c.wait {
		c.tool.note("Not waited until the gateway has it")
		return nil
	}
	is := fmt.Sprintf("credential %s/%s is on the cluster", gateway.Namespace, c.name)
	users, err := diagnose.CredentialUsers(ctx, client, facts, gateway, c.name)
	if err != nil {
		return fmt.Errorf("%s, but whether there is anything to wait for could not be found out (--wait=false does not ask): %w", is, err)
	}
	if len(users) == 0 {
		c.tool.note("No rule refers to it yet, so that the gateway has not asked for it. Next: %s", c.next())
		return nil
	}
	is += fmt.Sprintf(" and %s refers to it", users[0])
	wanted, err := c.wanted(ctx, client, gateway.Namespace, users, credential)
	if err != nil {
		return err
	}
	began := time.Now()
	waiting, stop := context.WithTimeout(ctx, c.timeout)
	defer stop()
	done := c.tool.status("waiting until the gateway has it")
	err = diagnose.ActiveWith(waiting, client, gateway.Ref(), wanted...)
	done()
	if err != nil {
		return c.tool.late(waiting, is, err)
	}
	c.tool.note("active in gateway %s (%.1f s); %s refers to it", gateway.Ref(), time.Since(began).Seconds(), users[0])
	if c.changes {
		c.tool.note("connections that are open go on with what was there before, until they end")
	}
	return nil
}

// next is the command that makes use of the credential.
func (c *credentialCreate) next() string {
	host := "HOST"
	if c.selfSigned {
		host = string(c.hosts[0])
	}
	command := fmt.Sprintf("%s enable --domains=%s --mode=%s --credential=%s", c.tool.name, host, egress.MTLSOrigination, c.name)
	if c.gateway != (egress.GatewayRef{}) {
		command += " --gateway=" + c.gateway.String()
	}
	return command
}

// wanted is what the gateway shall hold because of the rules. A Secret NAME-cacert comes before our ca.crt: then its CA is the one
// in force, and any will do.
func (c *credentialCreate) wanted(ctx context.Context, client *kube.Client, namespace string, users []diagnose.CredentialUser, credential pki.Credential) ([]diagnose.Wanted, error) {
	var names []string
	for _, u := range users {
		names = append(names, u.Secrets...)
	}
	slices.Sort(names)
	wanted := make([]diagnose.Wanted, 0, 2)
	for _, name := range slices.Compact(names) {
		text := credential.Cert
		if name == admin.CASecret(c.name) {
			text = credential.CA
			var other struct{}
			err := client.Get(ctx, kube.Resource{Version: "v1", Resource: "secrets"}, namespace, c.name+caSuffix, &other)
			if err == nil {
				c.tool.note("warning: Secret %s/%s%s is there, and Istio takes the CA from it rather than from this credential", namespace, c.name, caSuffix)
				wanted = append(wanted, diagnose.Wanted{Name: name})
				continue
			}
			if !absent(err) {
				return nil, fmt.Errorf("find out whether Secret %s/%s%s is there: %w", namespace, c.name, caSuffix, err)
			}
		}
		holds, err := admin.Describe(text)
		if err != nil {
			return nil, fmt.Errorf("describe what %s shall hold: %w", name, err)
		}
		wanted = append(wanted, diagnose.Wanted{Name: name, Holds: holds})
	}
	return wanted, nil
}
