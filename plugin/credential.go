package plugin

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-egress/kubectl-egress/apply"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
)

// newCredential is the command that the commands about credentials are under.
func newCredential(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "credential",
		Short: "Create and delete the client certificates that mutual TLS origination needs",
		Long: "Create and delete the client certificates that mutual TLS origination needs: Secrets in the namespace of the egress gateway, " +
			"which is the only place where the gateway can have them from",
		Example: t.examples(
			"a client certificate, its key, and the CA that signed the outside server's", "credential create client-credential --cert=tls.crt --key=tls.key --ca=ca.crt",
			"take it away again", "credential delete client-credential"),
		GroupID: groupWrite,
		Args:    t.knownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddGroup(&cobra.Group{ID: groupOnly, Title: "Commands"})
	cmd.AddCommand(newCredentialCreate(t), newCredentialDelete(t))
	return cmd
}

// caSuffix is what Istio takes for the CA of another Secret.
const caSuffix = "-cacert"

// credentialArgument reads the name of a credential.
func credentialArgument(cmd *cobra.Command, args []string) (string, error) {
	if len(args) != 1 {
		return "", usagef(cmd, "name one credential, for example client-credential")
	}
	name := strings.TrimPrefix(args[0], "secret/")
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		return "", egress.Inputf("%q cannot name a Secret; use lower case letters, digits, - and .", name)
	}
	if of, ends := strings.CutSuffix(name, caSuffix); ends {
		return "", egress.Inputf("%s cannot name a credential: Istio takes a Secret of that name for the CA of %s; choose another name", name, of)
	}
	return name, nil
}

// credentialGateway finds the gateway whose namespace credentials are in. What was found out about the mesh is there also with an
// error.
func (t *tool) credentialGateway(ctx context.Context, client *kube.Client, ref egress.GatewayRef) (mesh.Facts, mesh.Gateway, error) {
	done := t.status("looking at the mesh")
	defer done()
	facts, err := discover.Discover(ctx, client)
	if err != nil {
		return facts, mesh.Gateway{}, err
	}
	known, err := knowGateway(ctx, client, facts, ref)
	if err == nil && ref == (egress.GatewayRef{}) {
		ref, err = onlyGateway(known)
	}
	if errors.Is(err, kube.ErrForbidden) && ref != (egress.GatewayRef{}) {
		// a Secret can be put there all the same by who may write it: nothing but the namespace is needed
		done()
		t.note("gateway %s may not be looked at; its namespace is taken as named", ref)
		return facts, mesh.Gateway{Namespace: ref.Namespace, Service: ref.Service}, nil
	}
	gateway, _ := known.Gateway(ref)
	return known, gateway, err
}

// The keys of a credential's Secret, as the "Egress Gateways with TLS Origination" task has them.
const (
	keyCert = "tls.crt"
	keyKey  = "tls.key"
	keyCA   = "ca.crt"
)

// credentialBundle is the Secret that a credential is.
func credentialBundle(namespace, name string, data map[string]string) apply.Bundle {
	fields := map[string]any{}
	for k, v := range data {
		fields[k] = v
	}
	// generic in the document's words
	secret := &unstructured.Unstructured{Object: map[string]any{"type": "Opaque", "data": fields}}
	return apply.NewBundle(apply.KindCredential, namespace, name, secret, nil)
}

// withheld stands for what is not shown. It is not base64, so that no API server takes it for a key.
const withheld = "[not shown]"

// withoutKeys are objects as they may be printed: the private keys of Secrets left out.
func withoutKeys(objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	shown := make([]*unstructured.Unstructured, 0, len(objs))
	for _, o := range objs {
		o = o.DeepCopy()
		if data, ok := o.Object["data"].(map[string]any); ok && o.GetKind() == "Secret" && data[keyKey] != nil {
			data[keyKey] = withheld
		}
		shown = append(shown, o)
	}
	return shown
}

// completeCredentials offers the credentials that this tool created.
func (t *tool) completeCredentials() cobra.CompletionFunc {
	return t.completeBundles(apply.KindCredential, func(b apply.OwnedBundle) string {
		return cobra.CompletionWithDesc(b.Name, "in namespace "+b.Namespace)
	})
}
