package kube

import "slices"

// Circumstances in which rights are needed, where it is no flag.
const (
	WithExec     = "exec"
	WithOther    = "others"
	WithNginx    = "nginx"
	WithUnnamed  = "unversioned"
	WithOld      = "old-istio"
	WithWildcard = "wildcards"
	WithProxied  = "mode-sni-proxy"
	WithCA       = "--ca-file"
	WithSpace    = "namespace"
	WithAny      = "any-gateway"
	WithServer   = "mtls-server"
	WithKinds    = "workloads"
	WithOwners   = "owners"
	WithOrphans  = "orphans"
	WithSet      = "set"
)

func circumstances() map[string]string {
	return map[string]string{
		WithExec:     "where Envoys are asked by exec, since ports may not be forwarded",
		WithOther:    "for gateways without egress in their name and labels",
		WithNginx:    "for gateways with an SNI proxy whose container does not tell its port",
		WithUnnamed:  "for an Istio whose images and labels do not tell its version",
		WithOld:      "for Istio up to 1.7",
		WithWildcard: "for sets with wildcard hosts",
		WithProxied:  "for sets of mode sni-proxy",
		WithSpace:    "for a namespace that is made or taken away as well",
		WithAny:      "where the mesh has not just one gateway and --gateway does not say which",
		WithServer:   "for the sample mtls-server",
		WithOwners:   "to name whose an object is that is in the way",
		WithSet:      "for a set that is named",
		WithOrphans:  "to find what is left of something whose record was deleted",
		WithKinds:    "for gateways that a DaemonSet or a StatefulSet makes",
	}
}

// setKinds are the kinds of networking.istio.io that every set may have; wildcards need EnvoyFilters as well.
const setKinds = "serviceentries.networking.istio.io,gateways.networking.istio.io,destinationrules.networking.istio.io,virtualservices.networking.istio.io"

// homeKinds are those of them that are in the set's own namespace always; leadingOn is in the gateway's, or beside them.
const (
	homeKinds = "serviceentries.networking.istio.io,gateways.networking.istio.io,virtualservices.networking.istio.io"
	leadingOn = "destinationrules.networking.istio.io"
)

const envoyFilters = "envoyfilters.networking.istio.io"

// optional makes rights of what is only seen less without.
func optional(rights []Right) []Right {
	for i := range rights {
		rights[i].Optional = true
	}
	return rights
}

// only makes rights of what is seen in a circumstance alone.
func only(with string, rights []Right) []Right {
	rights = slices.DeleteFunc(rights, func(r Right) bool { return r.With != "" })
	for i := range rights {
		rights[i].With = with
	}
	return rights
}

// theMesh is what discovery reads. What it may not read it does without, and says so.
func theMesh() []Right {
	return optional([]Right{
		{Can: "list services", In: Everywhere, Else: OfIstio, Why: "which egress gateways there are"},
		{Can: "list pods", In: Everywhere, Else: AtGateway, Why: "the gateways' pods, and whether others have their labels"},
		{Can: "list deployments.apps", In: Everywhere, Else: OfIstio, Why: "which Istio runs"},
		{Can: "get configmaps", In: OfIstio, Why: "the mesh configuration"},
		{Can: "list peerauthentications.security.istio.io", In: OfIstio, Why: "whether the mesh uses Istio mTLS"},
		{Can: "get services", In: AtGateway, With: WithOther, Why: "a gateway that is only known by its name"},
		{Can: "get configmaps", In: AtGateway, With: WithNginx, Why: "the port that the SNI proxy listens on"},
		{Can: "get pods/proxy", In: OfIstio, With: WithUnnamed, Why: "istiod's own word about its version"},
		{Can: "create pods/portforward", In: AtGateway, With: WithUnnamed, Why: "what Envoy says about Istio's version"},
		{Can: "get meshpolicies.authentication.istio.io", In: Everywhere, With: WithOld, Why: "whether the mesh uses Istio mTLS, before 1.6"},
	})
}

// itsGateways is what no command can do without that goes by the mesh's egress gateways.
func itsGateways() []Right {
	return []Right{
		{Can: "list services", In: Everywhere, Else: OfIstio, Why: "which egress gateways there are"},
		{Can: "list pods", In: Everywhere, Else: AtGateway, Why: "the gateways' pods, and whether others have their labels"},
	}
}

// aNamedGateway is what looking at a gateway takes that --gateway or an argument names.
func aNamedGateway() []Right {
	return []Right{
		{Can: "get services", In: AtGateway, Why: "a gateway that is named"},
		{Can: "list pods", In: Everywhere, Else: AtGateway, Why: "its pods, and whether others have their labels"},
	}
}

// gatewayEnvoys is what asking the gateways' Envoys takes.
func gatewayEnvoys() []Right {
	return []Right{
		{Can: "create pods/portforward", In: AtGateway, Why: "Envoy's admin interface in the gateways"},
		{Can: "create pods/exec", In: AtGateway, With: WithExec, Why: "the same, where ports may not be forwarded"},
	}
}

// envoys is what asking all Envoys takes.
func envoys() []Right {
	return append(gatewayEnvoys(),
		Right{Can: "get pods", In: AtGateway, Optional: true, Why: "what the gateways' pods are made of"},
		Right{Can: "list pods", In: Everywhere, Else: Home, Why: "workloads with a sidecar"},
		Right{Can: "create pods/portforward", In: Everywhere, Else: Home, Why: "Envoy's admin interface in the sidecars"},
		Right{Can: "create pods/exec", In: Everywhere, Else: Home, With: WithExec, Why: "the same, where ports may not be forwarded"},
	)
}

// snapshots is what check and its kin read.
func snapshots() []Right {
	return slices.Concat(itsGateways(), envoys(), []Right{
		{Can: "list configmaps", In: Everywhere, Else: Home, Why: "the sets"},
		{Can: "list " + setKinds + ",sidecars.networking.istio.io", In: Everywhere, Else: Home, Why: "Istio's configuration"},
		{
			Can: "list " + envoyFilters + ",telemetries.telemetry.istio.io,peerauthentications.security.istio.io", In: Everywhere, Else: Home,
			Optional: true, Why: "Istio's configuration",
		},
	}, theMesh())
}

// evidence is what reading the proxies' logs takes.
func evidence() []Right {
	return []Right{
		{Can: "get pods/log", In: AtGateway, Optional: true, Why: "what the gateways have logged of late"},
		{Can: "get pods/log", In: Everywhere, Else: Home, Optional: true, Why: "what the sidecars have logged of late"},
	}
}

// posture is what check --security reads on top.
func posture() []Right {
	return []Right{
		{Can: "list namespaces,nodes", In: Everywhere, With: "--security", Why: "their labels"},
		{Can: "list pods", In: Everywhere, With: "--security", Why: "who has no sidecar"},
		{
			Can: "list networkpolicies.networking.k8s.io,authorizationpolicies.security.istio.io", In: Everywhere, Else: Home, With: "--security",
			Why: "who may reach what",
		},
	}
}

// ownSets is what listing sets takes, and their objects with what with says.
func ownSets(in Place, with string) []Right {
	return []Right{
		{Can: "list configmaps", In: in, Why: "the sets"},
		{Can: "list " + setKinds, In: in, With: with, Why: "their objects"},
		{Can: "list " + setKinds, In: AtGateway, With: with, Why: "their objects in the gateway's namespace"},
		{Can: "list " + envoyFilters, In: in, With: WithWildcard, Why: "their objects"},
		{Can: "list " + envoyFilters, In: AtGateway, With: WithWildcard, Why: "their objects in the gateway's namespace"},
		{Can: "list secrets", In: in, With: WithCA, Why: "their objects"},
		{Can: "list secrets", In: AtGateway, With: WithCA, Why: "their objects in the gateway's namespace"},
	}
}

// waiting is what it takes to see whether the Envoys have a set, or have let go of it.
func waiting() []Right {
	return optional(append(envoys(), Right{Can: "list sidecars.networking.istio.io", In: Everywhere, Else: Home, Why: "which workloads see the set"}))
}

// trying is what the dry run of a set takes: the API server asks for the rights of the write.
func trying() []Right {
	return slices.Concat(itsGateways(), theMesh(), []Right{
		{Can: "list configmaps", In: Everywhere, Else: Home, Why: "other sets, whose hosts are theirs"},
		{
			Can: "list " + homeKinds, In: Everywhere, Else: Home,
			Why: "what others have about the same hosts and ports",
		},
		{Can: "get,create,patch configmaps", In: Home, Why: "the set"},
		{Can: "list " + setKinds, In: Home, Why: "its objects"},
		{Can: "create,patch " + homeKinds, In: Home, Why: "its objects"},
		{Can: "create,patch " + leadingOn, In: Home, With: "--export-to", Why: "how the gateway leads on, for one namespace alone"},
		{Can: "create,patch " + leadingOn, In: Home, With: WithProxied, Why: "how the gateway leads on to its SNI proxy"},
		{Can: "list,create,patch " + leadingOn, In: AtGateway, Else: Home, Why: "how the gateway leads on"},
		{Can: "list " + setKinds, In: AtGateway, Else: Home, Why: "its objects in the gateway's namespace"},
		{Can: "list,create,patch " + envoyFilters, In: AtGateway, With: WithWildcard, Why: "how the gateway goes by SNI"},
		{Can: "list " + envoyFilters, In: Home, With: WithWildcard, Why: "its objects"},
		{Can: "get,list,create,patch secrets", In: AtGateway, With: WithCA, Why: "the servers' CA"},
		{Can: "list secrets", In: Home, With: WithCA, Why: "its objects"},
		{Can: "get secrets", In: AtGateway, With: "--credential", Optional: true, Why: "whether the Secrets are there"},
		{Can: "get,delete " + setKinds, In: Home, Optional: true, Why: "what a changed set no longer has, and what is taken back when a write fails"},
		{Can: "delete configmaps", In: Home, Optional: true, Why: "the same"},
		{Can: "get,delete " + leadingOn, In: AtGateway, Optional: true, Why: "the same"},
		{Can: "get,delete " + envoyFilters, In: AtGateway, With: WithWildcard, Optional: true, Why: "the same"},
		{Can: "delete secrets", In: AtGateway, With: WithCA, Optional: true, Why: "the same"},
		{Can: "get namespaces", In: Home, Optional: true, Why: "whether it is there, when a write finds it missing"},
	}, owners())
}

// owners is what it takes to name the bundle that an object belongs to.
func owners() []Right {
	return []Right{{Can: "list configmaps,secrets", In: Everywhere, Else: Home, With: WithOwners, Why: "whose it is"}}
}

// cleaning is what taking sets away takes. Where a set's rules may be is recorded by kinds and by namespaces, so that each kind is listed
// in each; what is there to be deleted is less.
func cleaning() []Right {
	return slices.Concat([]Right{
		{Can: "get,delete configmaps", In: HomeOrAll, Why: "the set"},
		{Can: "list configmaps", In: HomeOrAll, Why: "the sets, to find them with --all and --domains"},
		{Can: "list " + setKinds, In: HomeOrAll, Why: "its objects"},
		{Can: "list " + setKinds, In: AtGateway, Why: "its objects in the gateway's namespace"},
		{Can: "delete " + homeKinds, In: HomeOrAll, Why: "its objects"},
		{Can: "delete " + leadingOn, In: HomeOrAll, With: "--export-to", Why: "its objects"},
		{Can: "delete " + leadingOn, In: HomeOrAll, With: WithProxied, Why: "its objects"},
		{Can: "delete " + leadingOn, In: AtGateway, Why: "its objects in the gateway's namespace"},
		{Can: "list,delete " + envoyFilters, In: HomeOrAll, With: WithWildcard, Why: "its objects"},
		{Can: "list,delete " + envoyFilters, In: AtGateway, With: WithWildcard, Why: "its objects in the gateway's namespace"},
		{Can: "list,delete secrets", In: HomeOrAll, With: WithCA, Why: "its objects"},
		{Can: "list,delete secrets", In: AtGateway, With: WithCA, Why: "its objects in the gateway's namespace"},
		{Can: "create,patch configmaps", In: HomeOrAll, Optional: true, Why: "to put back what was taken away when a later deletion fails"},
		{Can: "get,create,patch " + homeKinds, In: HomeOrAll, Optional: true, Why: "the same"},
		{Can: "get,create,patch " + leadingOn, In: HomeOrAll, With: "--export-to", Optional: true, Why: "the same"},
		{Can: "get,create,patch " + leadingOn, In: HomeOrAll, With: WithProxied, Optional: true, Why: "the same"},
		{Can: "get,create,patch " + leadingOn, In: AtGateway, Optional: true, Why: "the same"},
		{Can: "get,create,patch " + envoyFilters, In: HomeOrAll, With: WithWildcard, Optional: true, Why: "the same"},
		{Can: "get,create,patch " + envoyFilters, In: AtGateway, With: WithWildcard, Optional: true, Why: "the same"},
		{Can: "get,create,patch secrets", In: HomeOrAll, With: WithCA, Optional: true, Why: "the same"},
		{Can: "get,create,patch secrets", In: AtGateway, With: WithCA, Optional: true, Why: "the same"},
	}, optional(theMesh()), waiting())
}
