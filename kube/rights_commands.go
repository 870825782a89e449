package kube

import "slices"

// Commands is the table of all commands that ask the API server, by name. It is what Options.Command holds a client to, what `rbac`
// prints, and what a test proves on a real API server, one right after the other.
func Commands() []Command {
	return []Command{
		{Name: "capture", Rights: optional(slices.Concat(snapshots(), evidence(), posture()))},
		{Name: "certs", Rights: slices.Concat(aNamedGateway(), theMesh(), gatewayEnvoys(), []Right{
			{Can: "list destinationrules.networking.istio.io,gateways.networking.istio.io", In: Everywhere, Optional: true, Why: "what uses certificates"},
			{Can: "get pods/log", In: AtGateway, Optional: true, Why: "whether servers' certificates were refused"},
		})},
		{Name: "check", Rights: append(slices.Concat(snapshots(), evidence(), posture()), Right{
			Can: "create pods/exec", In: Everywhere, Else: Home, With: "--probe", Why: "to ask along each path",
		})},
		{Name: "cleanup", Writes: true, Rights: cleaning()},
		{Name: "completion", Rights: append(theMesh(), []Right{
			{Can: "list configmaps", In: Everywhere, Else: Home, Why: "the names of sets and gateways"},
			{Can: "list serviceentries.networking.istio.io", In: Everywhere, Else: Home, Why: "the hosts that the mesh knows"},
			{Can: "list namespaces", In: Everywhere, Why: "their names"},
			{Can: "list secrets", In: Everywhere, With: WithAny, Why: "the names of credentials"},
		}...)},
		{Name: "credential create", Writes: true, Rights: slices.Concat(theMesh(), usersOfCredential(), gatewayEnvoys(), []Right{
			{Can: "get,create,patch secrets", In: AtGateway, Why: "the credential"},
			{Can: "delete secrets", In: AtGateway, Optional: true, Why: "to take it back when the write's answer was lost"},
			{Can: "get namespaces", In: AtGateway, Optional: true, Why: "whether it is there, when a write finds it missing"},
		}, owners())},
		{Name: "credential delete", Writes: true, Rights: slices.Concat(itsGateways(), theMesh(), usersOfCredential(), []Right{
			{Can: "get,delete secrets", In: AtGateway, Why: "the credential, and whether it is gone"},
			{Can: "create,patch secrets", In: AtGateway, Optional: true, Why: "to put it back when the deletion's answer was lost"},
			{Can: "list configmaps", In: Everywhere, Why: "the sets, which may use it"},
			{Can: "list secrets", In: Everywhere, With: WithAny, Why: "in which gateway's namespace it is"},
		})},
		{Name: "diff", Rights: trying()},
		{Name: "enable", Writes: true, Rights: append(trying(), waiting()...)},
		{Name: "gateway install", Writes: true, Rights: installing()},
		{Name: "gateway list", Rights: append(theMesh(), Right{
			Can: "list configmaps", In: Everywhere, Optional: true, Why: "which gateways are this program's, and which sets use them",
		})},
		{Name: "gateway uninstall", Writes: true, Rights: uninstalling()},
		{Name: "get", Rights: slices.Concat(ownSets(Home, ""), optional(theMesh()))},
		{Name: "list", Rights: ownSets(HomeOrAll, "-o wide")},
		{Name: "logs", Rights: slices.Concat(aNamedGateway(), theMesh(), logLines(), namedSet())},
		{Name: "probe", Writes: true, Rights: slices.Concat(itsGateways(), theMesh(), probing())},
		{Name: "sample delete", Writes: true, Rights: append(deleting(sampleKinds, Home), emptying(Home)...)},
		{Name: "sample install", Writes: true, Rights: slices.Concat(placing(sampleKinds, Home), only(WithServer, theMesh()))},
		{Name: "stats", Rights: slices.Concat(gatewayEnvoys(), []Right{
			{Can: "create pods/portforward", In: Everywhere, Else: Home, Why: "Envoy's admin interface in the sidecars"},
			{Can: "list configmaps", In: Everywhere, Else: Home, Why: "the sets"},
		}, optional(snapshots()))},
		{Name: "stats record", Writes: true, Rights: slices.Concat(aNamedGateway(), theMesh(), gatewayEnvoys(), []Right{
			{Can: "get pods", In: AtGateway, Why: "what makes the gateway's pods"},
			{Can: "get,patch deployments.apps", In: AtGateway, Why: "the annotation"},
			{Can: "list events", In: AtGateway, Optional: true, Why: "why a pod is not ready"},
			{Can: "get,patch daemonsets.apps,statefulsets.apps", In: AtGateway, With: WithKinds, Why: "the annotation"},
		})},
		{Name: "version", Rights: theMesh()},
	}
}

// What bundles consist of.
const (
	gatewayKinds = "serviceaccounts,services,deployments.apps,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io," +
		"horizontalpodautoscalers.autoscaling,poddisruptionbudgets.policy"
	sampleKinds = "serviceaccounts,services,deployments.apps"
)

// memberKinds are all kinds that a bundle may have.
const memberKinds = gatewayKinds + ",configmaps,namespaces,secrets," + setKinds + "," + envoyFilters

// usersOfCredential is what finding the rules takes that refer to a credential.
func usersOfCredential() []Right {
	return []Right{{Can: "list destinationrules.networking.istio.io,gateways.networking.istio.io", In: Everywhere, Why: "which rules refer to it"}}
}

// rollout is what waiting for a Deployment takes.
func rollout(in Place) []Right {
	return []Right{
		{Can: "get deployments.apps", In: in, Why: "how far its pods are"},
		{Can: "list pods", In: in, Why: "its pods"},
		{Can: "list events", In: in, Optional: true, Why: "why a pod is not ready"},
	}
}

// placing is what putting a bundle on the cluster takes.
func placing(kinds string, in Place) []Right {
	return append(slices.Concat(rollout(in), owners(), emptying(in)),
		Right{Can: "get,create,patch configmaps", In: in, Why: "the record of it"},
		Right{Can: "get,list,create,patch " + kinds, In: in, Why: "what is installed"},
		Right{Can: "get,create,patch namespaces", In: Everywhere, With: WithSpace, Why: "to make it"},
		Right{Can: "get,list,create,patch secrets", In: in, With: WithServer, Why: "its certificates"},
		Right{Can: "list configmaps", In: in, With: WithServer, Why: "its settings"},
		Right{Can: "delete configmaps," + kinds, In: in, Optional: true, Why: "to take back what was written when a write fails"},
		Right{Can: "get namespaces", In: in, Optional: true, Why: "whether it is there, when a write finds it missing"},
		Right{Can: "delete secrets", In: in, With: WithServer, Why: "the same"},
	)
}

// deleting is what taking a bundle away takes.
func deleting(kinds string, in Place) []Right {
	return []Right{
		{Can: "get,delete configmaps", In: in, Why: "the record of what was installed, and whether it is gone"},
		{Can: "list,delete " + kinds, In: in, Why: "its objects"},
		{Can: "list configmaps", In: in, With: WithServer, Why: "its settings"},
		{Can: "list pods", In: in, Why: "whether its pods are gone; with --wait=false not needed"},
		{Can: "get,create,patch configmaps," + kinds, In: in, Optional: true, Why: "to put back what was taken away when a later deletion fails"},
		{Can: "list " + memberKinds, In: Everywhere, Else: in, With: WithOrphans, Why: "what was installed"},
		{Can: "list,delete secrets", In: in, With: WithServer, Why: "its certificates"},
		{Can: "get,create,patch secrets", In: in, With: WithServer, Optional: true, Why: "to put them back"},
	}
}

// emptying is what taking a namespace away takes that was made for a bundle: a look at all that people would miss.
func emptying(in Place) []Right {
	return []Right{
		{Can: "get,patch,delete namespaces", In: in, With: WithSpace, Why: "to take it away, or the mark off one that holds more"},
		{
			Can: "list replicasets.apps,statefulsets.apps,daemonsets.apps,jobs.batch,cronjobs.batch,persistentvolumeclaims,secrets,configmaps,services,deployments.apps,pods," +
				setKinds + "," + envoyFilters,
			In: in, With: WithSpace, Why: "whether it holds anything else",
		},
	}
}

func installing() []Right {
	return append(placing(gatewayKinds, AtGateway), []Right{
		{Can: "get,watch,list secrets", In: AtGateway, Why: "for its service account: nobody can give what they have not"},
		{Can: "get services", In: AtGateway, Why: "whether it is there"},
		{Can: "get namespaces", In: AtGateway, Why: "whether it is there"},
		{Can: "list pods", In: Everywhere, Else: AtGateway, Why: "whether others have its labels"},
		{Can: "get services", In: OfDNS, With: "--sni-proxy", Why: "the cluster's DNS"},
		{Can: "list pods", In: OfDNS, With: "--sni-proxy", Optional: true, Why: "its address families"},
		{Can: "list configmaps", In: Everywhere, With: "--sni-proxy", Why: "its settings, and the sets that use it"},
	}...)
}

func uninstalling() []Right {
	return slices.Concat(deleting(gatewayKinds, AtGateway), emptying(AtGateway), []Right{
		{Can: "get namespaces", In: AtGateway, Why: "whether it was made for the gateway"},
		{Can: "list configmaps", In: Everywhere, Why: "the sets, which may use it"},
		{Can: "get services", In: AtGateway, With: WithOther, Why: "whether others installed it"},
		{Can: "list pods", In: Everywhere, Else: AtGateway, With: WithOther, Why: "the same"},
	})
}

// namedSet is what finding a set by its name takes, with its objects.
func namedSet() []Right {
	rights := ownSets(Home, WithSet)
	rights[0].With = WithSet
	return rights
}

func logLines() []Right {
	return []Right{
		{Can: "list pods", In: AtGateway, Why: "the gateways' pods"},
		{Can: "get pods/log", In: AtGateway, Why: "their logs"},
		{Can: "get pods", In: AtGateway, With: "--follow", Optional: true, Why: "whether they were restarted"},
		{Can: "list pods", In: Everywhere, Else: Home, With: "--sidecars", Why: "workloads with a sidecar"},
		{Can: "get pods/log", In: Everywhere, Else: Home, With: "--sidecars", Why: "their logs"},
		{Can: "get pods", In: Everywhere, Else: Home, With: "--follow", Optional: true, Why: "whether sidecars were restarted"},
		{Can: "list pods", In: Everywhere, With: WithOld, Why: "the mixer's pods, up to 1.7"},
		{Can: "get pods/log", In: OfIstio, With: WithOld, Why: "the mixer's log, up to 1.7"},
	}
}

func probing() []Right {
	return []Right{
		{Can: "list pods", In: Everywhere, Else: Home, Why: "who asks, and the gateways' pods"},
		{Can: "create pods/exec", In: Home, Why: "to ask"},
		{Can: "get pods/log", In: Home, Optional: true, Why: "what the sidecar wrote"},
		{Can: "list pods", In: AtGateway, Optional: true, Why: "the gateways' pods"},
		{Can: "get pods/log", In: AtGateway, Optional: true, Why: "what the gateway wrote"},
		{Can: "create pods/portforward", In: Home, Optional: true, Why: "what the sidecar counted"},
		{Can: "create pods/portforward", In: AtGateway, Optional: true, Why: "what the gateway counted"},
		{Can: "create pods/exec", In: AtGateway, With: WithExec, Why: "the same, where ports may not be forwarded"},
		{Can: "list configmaps", In: Everywhere, Else: Home, Optional: true, Why: "whether a set declares the straight way"},
		{Can: "get,patch,create,delete pods", In: Home, With: "--image", Why: "a pod outside the mesh to ask from, with --bypass"},
		{Can: "patch pods/ephemeralcontainers", In: Home, With: "--image", Why: "a container to ask from, beside those of the workload"},
	}
}
